//! What a query asks for: which page of a list, whose events, how long to wait.

use ackwire::wire::{ConsumerId, ErrorCode, Meta, Seq, StreamName};
use axum::{
    extract::{FromRequestParts, Query},
    http::{StatusCode, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;

use super::ApiError;
use crate::hub::{Awaited, Selection};

/// How many entries an answer has unless `limit` says otherwise.
const DEFAULT_LIMIT: usize = 100;
/// Most events in a list of deliveries.
const MAX_LISTED: usize = 1000;
/// How long a caller waits for a confirmation unless `timeout_ms` says otherwise.
const DEFAULT_WAIT_MS: u64 = 30_000;
/// Longest wait for a confirmation.
const MAX_WAIT_MS: u64 = 5 * 60 * 1000;

/// `after` and `limit`, as they were given: each is checked by its own rule, so that an error can name it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    after: Option<String>,
    limit: Option<String>,
}

/// Whether to wait for a confirmation: `wait=confirmed`, whose, and how long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitQuery {
    wait: Option<String>,
    consumer: Option<String>,
    timeout_ms: Option<String>,
}

/// Whose events, and how many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryQuery {
    consumer: Option<String>,
    stream: Option<String>,
    run_id: Option<String>,
    thread_id: Option<String>,
    limit: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        read(parts, state).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WaitQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        read(parts, state).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DeliveryQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        read(parts, state).await
    }
}

async fn read<T: DeserializeOwned + Send, S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<T, ApiError> {
    let query = Query::from_request_parts(parts, state).await;
    query.map(|Query(query)| query).map_err(|error| ApiError::invalid(error.body_text()))
}

impl WaitQuery {
    /// Who is waited for and how long; `None` without `wait`.
    pub(super) fn wait(&self) -> Result<Option<(Awaited, Duration)>, ApiError> {
        match self.wait.as_deref() {
            Some("confirmed") => {}
            Some(other) => return Err(ApiError::invalid(format!("`wait` is \"confirmed\", not {other}"))),
            None if self.consumer.is_some() || self.timeout_ms.is_some() => {
                return Err(ApiError::invalid("`consumer` and `timeout_ms` go with `wait=confirmed`"));
            }
            None => return Ok(None),
        }
        let awaited = match self.consumer.as_deref() {
            None | Some("any") => Awaited::Any,
            Some("all") => Awaited::All,
            Some(name) => Awaited::Consumer(consumer(name)?),
        };
        let Some(given) = &self.timeout_ms else { return Ok(Some((awaited, Duration::from_millis(DEFAULT_WAIT_MS)))) };
        let millis = given.parse().ok().filter(|millis| (1..=MAX_WAIT_MS).contains(millis)).ok_or_else(|| {
            ApiError::invalid(format!("`timeout_ms` is an integer from 1 to {MAX_WAIT_MS}, not {given}"))
        })?;
        Ok(Some((awaited, Duration::from_millis(millis))))
    }
}

impl DeliveryQuery {
    /// The same for a consumer whom the path names: of one stream, or of all of theirs.
    pub(super) fn of_consumer(mut self, name: &str) -> Result<(ConsumerId, Option<StreamName>, Self), ApiError> {
        if self.consumer.is_some() {
            return Err(ApiError::invalid("`consumer` goes with /v1/streams/…; here the path names the consumer"));
        }
        let stream = self.stream.take().map(|stream| StreamName::new(&stream)).transpose();
        let stream = stream.map_err(|error| ApiError::invalid(format!("`stream`: {error}")))?;
        let consumer = consumer(name)?;
        self.consumer = Some(name.to_owned());
        Ok((consumer, stream, self))
    }

    /// What is asked for of what the caller may see, and how much of it.
    pub(super) fn selection(&self, visible: Selection) -> Result<(Selection, usize), ApiError> {
        if self.stream.is_some() {
            return Err(ApiError::invalid("`stream` goes with /v1/consumers/…; here the path names the stream"));
        }
        let named = [("run_id", &self.run_id), ("thread_id", &self.thread_id)];
        let meta: Meta = named.into_iter().filter_map(|(key, value)| Some((key.into(), value.clone()?))).collect();
        let consumer = self.consumer.as_deref().map(consumer).transpose()?;
        Ok((Selection { consumer, meta, ..visible }, limit(self.limit.as_deref(), MAX_LISTED)?))
    }
}

fn consumer(name: &str) -> Result<ConsumerId, ApiError> {
    ConsumerId::new(name).map_err(|error| ApiError::invalid(format!("`consumer`: {error}")))
}

fn limit(given: Option<&str>, most: usize) -> Result<usize, ApiError> {
    let Some(given) = given else { return Ok(DEFAULT_LIMIT) };
    let limit = given.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| ApiError::invalid(format!("`limit` is an integer from 1 to {most}, not {given}")))
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
        limit(self.limit.as_deref(), most)
    }
}
