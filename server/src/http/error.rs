//! What a producer or an operator is told when something is wrong.

use ackwire::wire::ErrorCode;
use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{auth::AuthError, log::LogError};

/// An answer of the form `{"error": {"code", "message"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP's word for it.
    pub status: StatusCode,
    /// The protocol's word for it, or HTTP's own where the protocol has none.
    pub code: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ApiError {
    /// 400: the request is malformed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
    }

    /// With one of the protocol's codes.
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, code: code.as_str(), message: message.into() }
    }

    /// 413: a limit was met; `message` names it.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message: error.to_string() }
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        let (status, code) = match &error {
            LogError::StreamEnded => (StatusCode::CONFLICT, ErrorCode::StreamEnded),
            LogError::StreamFull => (StatusCode::CONFLICT, ErrorCode::InvalidRequest),
            LogError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": { "code": self.code, "message": self.message } }));
        let mut response = (self.status, body).into_response();
        let extra = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::UPGRADE_REQUIRED => Some((header::SEC_WEBSOCKET_VERSION, "13")),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some((header::RETRY_AFTER, "1")),
            _ => None,
        };
        response.headers_mut().extend(extra.map(|(name, value)| (name, HeaderValue::from_static(value))));
        if self.status.is_server_error() {
            tracing::warn!(code = self.code, message = self.message, "request failed");
        }
        response
    }
}

pub(super) async fn not_found(uri: Uri) -> ApiError {
    let message = format!("nothing is at {}; a stream's name is percent-encoded in a path (/ as %2F)", uri.path());
    ApiError { status: StatusCode::NOT_FOUND, code: "not_found", message }
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let message = format!("{} does not take {method}", uri.path());
    ApiError { status: StatusCode::METHOD_NOT_ALLOWED, code: "method_not_allowed", message }
}
