//! Which page of a list.

use ackwire::wire::{ErrorCode, Seq, StreamName};
use axum::{
    extract::{FromRequestParts, Query},
    http::{StatusCode, request::Parts},
};
use serde::Deserialize;

use super::ApiError;

/// How many entries an answer has unless `limit` says otherwise.
const DEFAULT_LIMIT: usize = 100;

/// `after` and `limit`, as they were given: each is checked by its own rule, so that an error can name it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    after: Option<String>,
    limit: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(query)| query).map_err(|error| ApiError::invalid(error.body_text()))
    }
}

impl PageQuery {
    /// 0 if it was not given.
    pub(super) fn seq_after(&self) -> Result<Seq, ApiError> {
        let Some(given) = &self.after else { return Ok(Seq::ZERO) };
        given
            .parse()
            .ok()
            .and_then(|after| Seq::new(after).ok())
            .ok_or_else(|| ApiError::invalid(format!("`after` is an integer from 0 to 9007199254740991, not {given}")))
    }

    pub(super) fn stream_after(&self) -> Result<Option<StreamName>, ApiError> {
        let name = self.after.as_deref().map(StreamName::new).transpose();
        name.map_err(|error| {
            ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidStream, format!("`after`: {error}"))
        })
    }

    pub(super) fn limit(&self, most: usize) -> Result<usize, ApiError> {
        let Some(given) = &self.limit else { return Ok(DEFAULT_LIMIT) };
        let limit = given.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| ApiError::invalid(format!("`limit` is an integer from 1 to {most}, not {given}")))
    }
}
