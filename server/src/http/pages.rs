//! The demo page and the package that it loads, in development mode.

use axum::{
    Router,
    extract::{self, Request},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};
use tokio::fs;
use tower::ServiceExt;
use tower_http::{services::ServeFile, set_header::SetResponseHeaderLayer};

use super::{ApiError, error::not_found};
use crate::{App, config::Config};

/// No inline script or style, nothing from elsewhere, no markup out of text; `ws:` because not every browser counts it to
/// 'self' (an IPv6 host cannot be named in a policy). WebAssembly is compiled, hence `wasm-unsafe-eval`, which allows no
/// script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     connect-src 'self' ws://127.0.0.1:* ws://localhost:*; img-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Besides those that every answer has ([`super::headers`]).
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // What is being developed changes; ask whether it did.
    (header::CACHE_CONTROL, "no-cache"),
];

/// `/` and `/demo/…` from the page's folder, `/pkg/…` from the package's.
pub(super) fn routes(config: &Config) -> Router<Arc<App>> {
    let index = config.www.join("index.html");
    if !index.exists() {
        tracing::warn!(file = %index.display(), "there is no demo page: --www names its folder");
    }
    let www: Arc<Path> = config.www.as_path().into();
    let home = get(move |request| async move { send(&www, "index.html", request).await });
    let pages = Router::new()
        .route("/", home)
        .route("/demo/{*file}", folder(&config.www))
        .route("/pkg/{*file}", folder(&config.pkg));
    HEADERS.into_iter().fold(pages, |pages, (name, value)| {
        pages.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    })
}

/// The files of a folder.
fn folder(root: &Path) -> MethodRouter<Arc<App>> {
    let root: Arc<Path> = root.into();
    get(move |extract::Path(name): extract::Path<String>, request| async move { send(&root, &name, request).await })
}

async fn send(root: &Path, name: &str, request: Request) -> Result<Response, ApiError> {
    match inside(root, name).await {
        Some(file) => {
            ServeFile::new(file).oneshot(request).await.map(IntoResponse::into_response).map_err(|never| match never {})
        }
        None => Err(not_found(request.uri().clone()).await),
    }
}

/// The file of this name; `None` if there is none, or if the way to it leads out of the folder: by its name, or by a
/// link.
async fn inside(root: &Path, name: &str) -> Option<PathBuf> {
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let (root, file) = (fs::canonicalize(root).await.ok()?, fs::canonicalize(root.join(name)).await.ok()?);
    (is_plain && file.starts_with(root) && file.is_file()).then_some(file)
}
