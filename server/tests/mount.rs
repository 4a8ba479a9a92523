//! The server's routes inside another application.

use ackwire_server::{
    App,
    config::Config,
    log::{MemoryLog, Retention},
};
use axum::{Router, routing::get};
use clap::Parser;
use serde_json::Value;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Merged at the root and nested, each beside routes and a fallback that were there before.
#[tokio::test]
async fn an_application_mounts_it_beside_its_own_routes() {
    let config = Config::try_parse_from(["test", "--dev"]).unwrap();
    let ackwire = App::new(config, Arc::new(MemoryLog::new(Retention::default()))).unwrap();
    let own = Router::new().route("/", get(async || "own")).fallback(async || "theirs");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = own.nest("/nested", ackwire.router()).merge(ackwire.router());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });

    let text = async |path: &str| reqwest::get(format!("{url}{path}")).await.unwrap().text().await.unwrap();
    assert_eq!((text("/").await, text("/elsewhere").await), ("own".into(), "theirs".into()));
    for path in ["/v1/streams", "/nested/v1/streams"] {
        let list: Value = serde_json::from_str(&text(path).await).unwrap();
        assert_eq!(list["streams"], Value::Array(Vec::new()), "{path}");
    }
}
