//! HTTP: producers append to streams, operators look at them. Errors are JSON, with the protocol's codes.

mod access;
mod answers;
mod body;
mod bounds;
mod deliveries;
mod error;
mod headers;
mod health;
mod observe;
mod operations;
mod operator;
mod pages;
mod query;
mod streams;
mod views;

pub(crate) use access::Sender;
pub use access::identify;
pub(crate) use answers::AnswerRoom;
pub use error::ApiError;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use std::sync::Arc;

use crate::{App, dev, limits::MAX_SMALL_BODY_BYTES, socket};

/// Everything that a server of its own has: in development mode the demo page, and an answer for what there is not.
pub(crate) fn complete(app: Arc<App>) -> Router {
    let pages = if app.config.dev { pages::routes(&app.config) } else { Router::new() };
    layered(routes(&app).merge(pages).fallback(error::not_found), app)
}

/// What there is to mount in an application, which has a page and a fallback of its own.
pub(crate) fn mountable(app: Arc<App>) -> Router {
    layered(routes(&app), app)
}

fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let mut routes = Router::new()
        .route("/v1/streams", get(streams::list))
        .route("/v1/streams/{stream}", get(streams::show))
        .route("/v1/streams/{stream}/events", get(streams::events).post(streams::append))
        .route("/v1/streams/{stream}/events/{id}", get(deliveries::event))
        .route("/v1/streams/{stream}/events/{id}/confirm", post(operations::confirm))
        .route("/v1/streams/{stream}/events/{id}/fail", post(operations::fail))
        .route("/v1/streams/{stream}/dead-letters/{id}/requeue", post(operations::requeue))
        .route("/v1/streams/{stream}/dead-letters/{id}/discard", post(operations::discard))
        .route("/v1/streams/{stream}/consumers", get(deliveries::consumers))
        .route("/v1/streams/{stream}/end", post(streams::end))
        .route("/v1/socket", get(socket::open))
        .merge(deliveries::lists())
        .merge(operator::routes());
    if app.config.dev {
        routes = routes.merge(dev::routes(app.clone()));
    }
    routes.layer(from_fn_with_state(app.clone(), answers::count))
}

fn layered(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    routes
        .layer(from_fn_with_state(app.clone(), access::check_origin))
        // Probes come from anywhere, under any name.
        .merge(health::routes())
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), bounds::bound))
        .layer(from_fn(observe::observe))
        // For everything but events: `body` has limits of its own, which name the setting.
        .layer(DefaultBodyLimit::max(MAX_SMALL_BODY_BYTES))
        .layer(from_fn(headers::protect))
        .with_state(app)
}
