//! How a WebSocket is opened (RFC 6455, section 4).

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
    response::Response,
};
use hyper::upgrade::OnUpgrade;
use tungstenite::{Error, error::ProtocolError, handshake::server::create_response_with_body};

use super::websocket::WebSocket;
use crate::http::ApiError;

/// A handshake that is in order: what is answered, and what the connection becomes once it is.
pub(super) struct Handshake {
    answer: Response,
    upgrade: OnUpgrade,
}

impl Handshake {
    /// Looks at what is asked for.
    pub fn of(request: &mut Request) -> Result<Self, ApiError> {
        let upgrade = hyper::upgrade::on(&mut *request);
        let answer = create_response_with_body(request, Body::empty).map_err(|error| refusal(&error))?;
        Ok(Self { answer, upgrade })
    }

    /// With this subprotocol, if the client offers it.
    pub fn with_protocol(mut self, request: &Request, protocol: &'static str) -> Result<Self, ApiError> {
        let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let is_offered = offers
            .filter_map(|offer| offer.to_str().ok())
            .any(|offer| offer.split(',').any(|name| name.trim() == protocol));
        if !is_offered {
            return Err(ApiError::invalid(format!("the WebSocket needs the subprotocol {protocol}")));
        }
        self.answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        Ok(self)
    }

    /// The answer. What is done with the socket, of whose messages those of more bytes than `most` are not read, begins once
    /// the client has it, in a task of its own.
    pub fn then<Fut>(self, most: usize, serve: impl FnOnce(Box<WebSocket>) -> Fut + Send + 'static) -> Response
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let upgrade = self.upgrade;
        tokio::spawn(async move {
            match upgrade.await {
                // Both boxed, so that what the socket passes through does not keep room for it more than once.
                Ok(upgraded) => Box::pin(serve(Box::new(WebSocket::new(upgraded, most).await))).await,
                Err(error) => tracing::debug!(%error, "gone before it was a WebSocket"),
            }
        });
        self.answer
    }
}

fn refusal(error: &Error) -> ApiError {
    let invalid = ApiError::invalid(error.to_string());
    match error {
        // The answer names the version that there is (RFC 6455, 4.2.2).
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader | ProtocolError::WrongHttpVersion) => {
            ApiError { status: StatusCode::UPGRADE_REQUIRED, ..invalid }
        }
        _ => invalid,
    }
}
