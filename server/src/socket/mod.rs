//! `GET /v1/socket`: the WebSocket that browsers connect to [section 3 of `PROTOCOL.md`].

mod echo;
mod fault;
mod jobs;
mod outgoing;
mod session;
mod subscription;
mod transport;

pub use echo::echo;

use ackwire::wire::SUBPROTOCOL;
use axum::{
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

use crate::{App, http::ApiError, hub::Crowded};
use session::Session;

/// A message up to this many times the limit is read, and answered with 4413 by the protocol; a larger one is not even
/// read.
const READ_FACTOR: usize = 2;

/// Opens a connection. Whose pages may do so was checked before ([`Origins`](crate::origins::Origins)); who is asking
/// is said in `hello`.
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|rejection| refusal(&rejection))?;
    let most = app.config.limits.max_frame_bytes.saturating_mul(READ_FACTOR);
    let upgrade = transport::prepare(upgrade, most).protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(ApiError::invalid(format!("the WebSocket needs the subprotocol {SUBPROTOCOL}")));
    }
    let refused = |status, code, message| Err(ApiError { status, code, message });
    if app.is_draining() {
        let message = "this server is going away: connect again".into();
        return refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
    }
    let limits = &app.config.limits;
    let entered = match app.hub.seats().enter() {
        Ok(entered) => entered,
        Err(Crowded::Full) => {
            let most = limits.max_connections;
            let message = format!("this server has {most} connections (--max-connections): try again later");
            return refused(StatusCode::SERVICE_UNAVAILABLE, "too_many_requests", message);
        }
        Err(Crowded::Rush) => {
            let most = limits.max_handshakes_per_second;
            let message =
                format!("more than {most} connect in a second (--max-handshakes-per-second): try again later");
            return refused(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        }
    };
    let opened = upgrade.on_upgrade(move |socket| {
        // Boxed, so that what opens a connection does not keep room for it twice.
        Box::pin(async move {
            Session::new(app).run(socket).await;
            drop(entered);
        })
    });
    Ok(opened.into_response())
}

fn refusal(rejection: &WebSocketUpgradeRejection) -> ApiError {
    let invalid = ApiError::invalid(rejection.to_string());
    match rejection {
        // The answer names the version that there is (RFC 6455, 4.2.2).
        WebSocketUpgradeRejection::InvalidWebSocketVersionHeader(_)
        | WebSocketUpgradeRejection::ConnectionNotUpgradable(_) => {
            ApiError { status: StatusCode::UPGRADE_REQUIRED, ..invalid }
        }
        _ => invalid,
    }
}
