//! `GET /v1/socket`: the WebSocket that browsers connect to [section 3 of `PROTOCOL.md`].

mod echo;
mod fault;
mod handshake;
mod jobs;
mod outgoing;
mod session;
mod signals;
mod subscription;
mod subscriptions;
mod timer;
mod websocket;

pub use echo::echo;

use ackwire::wire::SUBPROTOCOL;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use std::sync::Arc;

use crate::{
    App,
    http::{ApiError, Sender},
    hub::Crowded,
    limits::Limits,
};
use handshake::Handshake;
use session::Session;

/// A message up to this many times the limit is read, and answered with 4413 by the protocol; a larger one is not even
/// read.
const READ_FACTOR: usize = 2;

/// Opens a connection. Whose pages may do so was checked before ([`Origins`](crate::origins::Origins)); who is asking
/// is said in `hello`.
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Sender(peer): Sender,
    mut request: Request,
) -> Result<Response, ApiError> {
    let handshake = Handshake::of(&mut request)?.with_protocol(&request, SUBPROTOCOL)?;
    if app.is_draining() {
        let message = "this server is going away: connect again".into();
        return Err(ApiError { status: StatusCode::SERVICE_UNAVAILABLE, code: "unavailable", message });
    }
    let entered = app.hub.seats().enter(peer).map_err(|crowded| too_many(crowded, &app.config.limits))?;
    let most = app.config.limits.max_frame_bytes.saturating_mul(READ_FACTOR);
    Ok(handshake.then(most, move |socket| async move {
        Session::new(app).run(socket).await;
        drop(entered);
    }))
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
