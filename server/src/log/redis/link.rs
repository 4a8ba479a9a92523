//! The connections to Redis: made when they are needed, given up when they fail, made anew.
//!
//! One carries what is written and one what is read, so that reads do not wait behind a WAIT. Every task shares them:
//! what is sent at the same time travels together.

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, ProtocolVersion, PushInfo, RedisError, RedisFuture, RedisResult,
    TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Mutex, broadcast};

use super::{
    RedisUrl,
    explain::{ends_connection, explain},
    survey::Survey,
    url::Kind,
};
use crate::{clock, log::LogError};
use ackwire::base::Instant;

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long an answer may take; then the connection is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// After a failure nobody tries again for so long, in milliseconds: who asks meanwhile is told of that failure.
const LEFT_ALONE_MS: u64 = 250;

/// A connection to one server or to a cluster. Cheap to clone: the clones share it.
#[derive(Clone)]
pub(super) enum Line {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// The connections of one time.
#[derive(Clone)]
pub(super) struct Lines {
    /// Tells them from those before.
    number: u64,
    pub(super) reads: Line,
    pub(super) writes: Line,
    /// What was found there.
    pub(super) survey: Arc<Survey>,
}

/// The way to Redis.
pub(super) struct Link {
    url: RedisUrl,
    state: Mutex<State>,
}

struct State {
    made: u64,
    lines: Option<Lines>,
    /// Why there are none, and until when that holds.
    failure: Option<(Instant, LogError)>,
    /// What was found before, so that it is told once.
    survey: Option<Arc<Survey>>,
}

impl Link {
    pub(super) fn new(url: RedisUrl) -> Self {
        Self { url, state: Mutex::new(State { made: 0, lines: None, failure: None, survey: None }) }
    }

    pub(super) fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// The connections; made, if there are none.
    pub(super) async fn lines(&self) -> Result<Lines, LogError> {
        let mut state = self.state.lock().await;
        if let Some(lines) = &state.lines {
            return Ok(lines.clone());
        }
        if let Some((until, error)) = &state.failure
            && clock::now() < *until
        {
            return Err(error.clone());
        }
        match self.make(state.made).await {
            Ok(lines) => {
                if state.survey.as_ref() != Some(&lines.survey) {
                    lines.survey.tell(&self.url);
                    state.survey = Some(lines.survey.clone());
                }
                (state.made, state.failure) = (state.made + 1, None);
                Ok(state.lines.insert(lines).clone())
            }
            Err(error) => {
                let error = explain(&error, &self.url);
                let until = clock::now() + ackwire::base::Duration::from_millis(LEFT_ALONE_MS);
                state.failure = Some((until, error.clone()));
                Err(error)
            }
        }
    }

    /// In words, what failed; its connections are given up if they are of no more use.
    pub(super) async fn failed(&self, lines: &Lines, error: &RedisError) -> LogError {
        if ends_connection(error) {
            let mut state = self.state.lock().await;
            state.lines.take_if(|current| current.number == lines.number);
        }
        explain(error, &self.url)
    }

    async fn make(&self, number: u64) -> RedisResult<Lines> {
        let (reads, writes) = tokio::try_join!(Line::open(&self.url, None), Line::open(&self.url, None))?;
        let survey = Arc::new(Survey::of(&mut reads.clone()).await?);
        Ok(Lines { number, reads, writes, survey })
    }
}

impl Line {
    /// What the server says without being asked goes to `pushes`.
    pub(super) async fn open(url: &RedisUrl, pushes: Option<broadcast::Sender<PushInfo>>) -> RedisResult<Self> {
        if url.kind == Kind::Cluster {
            let cluster = ClusterClient::builder(url.nodes.clone())
                .use_protocol(ProtocolVersion::RESP3)
                .connection_timeout(CONNECT_WITHIN)
                .response_timeout(ANSWER_WITHIN);
            let cluster = match pushes {
                Some(pushes) => cluster.push_sender(pushes),
                None => cluster,
            };
            return Ok(Self::Cluster(cluster.build()?.get_async_connection().await?));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let config = match pushes {
            Some(pushes) => config.set_push_sender(pushes),
            None => config,
        };
        let client = match &url.kind {
            Kind::Sentinel(name) => primary(url, name).await?,
            _ => Client::open(url.nodes[0].clone())?,
        };
        Ok(Self::Node(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// What each primary answers to the command.
    pub(super) async fn each_primary(&mut self, command: Cmd) -> RedisResult<Vec<Value>> {
        match self {
            Self::Node(node) => Ok(vec![command.query_async(node).await?]),
            Self::Cluster(cluster) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                match cluster.route_command(command, all).await? {
                    Value::Map(answers) => Ok(answers.into_iter().map(|(_, answer)| answer).collect()),
                    other => Ok(vec![other]),
                }
            }
        }
    }

    /// Sends a command that names no key to where this one is.
    pub(super) async fn beside(&mut self, key: &str, command: Cmd) -> RedisResult<Value> {
        match self {
            Self::Node(node) => command.query_async(node).await,
            Self::Cluster(cluster) => {
                let there = SingleNodeRoutingInfo::SpecificNode(Route::with_key(key.as_bytes(), SlotAddr::Master));
                cluster.route_command(command, RoutingInfo::SingleNode(there)).await
            }
        }
    }
}

/// The one whom the sentinels name as the primary now.
async fn primary(url: &RedisUrl, name: &str) -> RedisResult<Client> {
    let (addresses, is_tls) = url.addresses();
    let settings = url.nodes[0].redis_settings();
    let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_db(settings.db());
    if is_tls {
        builder =
            builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(username) = settings.username() {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    builder.build()?.async_get_client().await
}

impl ConnectionLike for Line {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Node(node) => node.req_packed_command(command),
            Self::Cluster(cluster) => cluster.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Node(node) => node.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Node(node) => node.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
