//! An echo on the server's own WebSockets, on a free port of this machine, until it is ended: `npm run autobahn`.

use ackwire_server::socket::echo;
use axum::{Router, routing::get};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on ws://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/", get(echo))).await
}
