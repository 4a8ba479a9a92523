//! `GET /v1/socket`: the WebSocket that browsers connect to [section 3 of `PROTOCOL.md`].

mod echo;
mod fault;
mod jobs;
mod outgoing;
mod session;
mod signals;
mod subscription;
mod subscriptions;
mod timer;
mod transport;

pub use echo::echo;

use ackwire::wire::SUBPROTOCOL;
use axum::{
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

use crate::{
    App,
    http::{ApiError, Sender},
    hub::Crowded,
    limits::Limits,
};
use session::Session;

/// A message up to this many times the limit is read, and answered with 4413 by the protocol; a larger one is not even
/// read.
const READ_FACTOR: usize = 2;

/// Opens a connection. Whose pages may do so was checked before ([`Origins`](crate::origins::Origins)); who is asking
/// is said in `hello`.
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Sender(peer): Sender,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|rejection| refusal(&rejection))?;
    let most = app.config.limits.max_frame_bytes.saturating_mul(READ_FACTOR);
    let upgrade = transport::prepare(upgrade, most).protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(ApiError::invalid(format!("the WebSocket needs the subprotocol {SUBPROTOCOL}")));
    }
    if app.is_draining() {
        let message = "this server is going away: connect again".into();
        return Err(ApiError { status: StatusCode::SERVICE_UNAVAILABLE, code: "unavailable", message });
    }
    let entered = app.hub.seats().enter(peer).map_err(|crowded| too_many(crowded, &app.config.limits))?;
    let opened = upgrade.on_upgrade(move |socket| {
        // Both boxed, so that what the socket passes through does not keep room for it more than once.
        let socket = Box::new(socket);
        Box::pin(async move {
            Session::new(app).run(socket).await;
            drop(entered);
        })
    });
    Ok(opened.into_response())
}

/// What who is not let in is told. A browser does not show it to its page, which tries again after a while all the same.
fn too_many(crowded: Crowded, limits: &Limits) -> ApiError {
    const PROXY: &str = "if that is a proxy's, --peer-from says how its clients are told apart";
    let (status, message) = match crowded {
        Crowded::Full => {
            let most = limits.max_connections;
            let message = format!("this server has {most} connections (--max-connections): try again later");
            (StatusCode::SERVICE_UNAVAILABLE, message)
        }
        Crowded::Rush => {
            let most = limits.max_handshakes_per_second;
            let message =
                format!("more than {most} connect in a second (--max-handshakes-per-second): try again later");
            (StatusCode::TOO_MANY_REQUESTS, message)
        }
        Crowded::PeerFull => {
            let most = limits.max_connections_per_peer;
            let message = format!("your address has {most} connections (--max-connections-per-peer); {PROXY}");
            (StatusCode::TOO_MANY_REQUESTS, message)
        }
        Crowded::PeerRush => {
            let (most, flag) = (limits.max_handshakes_per_second_per_peer, "--max-handshakes-per-second-per-peer");
            let message = format!("more than {most} connect in a second from your address ({flag}); {PROXY}");
            (StatusCode::TOO_MANY_REQUESTS, message)
        }
    };
    ApiError { status, code: "too_many_requests", message }
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
