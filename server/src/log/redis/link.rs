//! The connections to Redis: made when they are needed, given up when they fail, made anew.
//!
//! They are made by a task of its own, and whoever needs them meanwhile waits for the same ones. Nobody holds a lock over
//! an await: who asked first may be dropped, or not be carried on for as long as it waits for others who need them too.
//!
//! One carries what is written and one what is read, so that reads do not wait behind a WAIT. Every task shares them:
//! what is sent at the same time travels together.

use futures_util::future::{BoxFuture, FutureExt, Shared};
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, ProtocolVersion, PushInfo, RedisError, RedisFuture, RedisResult,
    TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::broadcast;

use super::{
    RedisUrl,
    explain::{ends_connection, explain},
    lock,
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
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    made: u64,
    lines: Option<Lines>,
    /// What those wait for who need them while there are none.
    making: Option<Making>,
    /// Why there are none, and until when that holds.
    failure: Option<(Instant, LogError)>,
    /// What was found before, so that it is told once.
    survey: Option<Arc<Survey>>,
}

type Making = Shared<BoxFuture<'static, Result<Lines, LogError>>>;

impl Link {
    pub(super) fn new(url: RedisUrl) -> Self {
        Self { url, state: Arc::default() }
    }

    pub(super) fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// The connections; made, if there are none.
    pub(super) async fn lines(&self) -> Result<Lines, LogError> {
        let making = {
            let mut state = lock(&self.state);
            if let Some(lines) = &state.lines {
                return Ok(lines.clone());
            }
            if let Some((until, error)) = &state.failure
                && clock::now() < *until
            {
                return Err(error.clone());
            }
            let number = state.made;
            state.making.get_or_insert_with(|| self.begin(number)).clone()
        };
        making.await
    }

    /// In words, what failed; its connections are given up if they are of no more use.
    pub(super) fn failed(&self, lines: &Lines, error: &RedisError) -> LogError {
        if ends_connection(error) {
            lock(&self.state).lines.take_if(|current| current.number == lines.number);
        }
        explain(error, &self.url)
    }

    fn begin(&self, number: u64) -> Making {
        let (url, state) = (self.url.clone(), self.state.clone());
        let task = tokio::spawn(async move { make(&url, number).await.map_err(|error| explain(&error, &url)) });
        let url = self.url.clone();
        let making = async move {
            let made = task.await.unwrap_or_else(|error| Err(LogError::broken(format!("no connection: {error}"))));
            lock(&state).settle(&made, &url);
            made
        };
        making.boxed().shared()
    }
}

impl State {
    fn settle(&mut self, made: &Result<Lines, LogError>, url: &RedisUrl) {
        self.making = None;
        match made {
            Ok(lines) => {
                if self.survey.as_ref() != Some(&lines.survey) {
                    lines.survey.tell(url);
                    self.survey = Some(lines.survey.clone());
                }
                (self.made, self.failure, self.lines) = (self.made + 1, None, Some(lines.clone()));
            }
            Err(error) => {
                let until = clock::now() + ackwire::base::Duration::from_millis(LEFT_ALONE_MS);
                self.failure = Some((until, error.clone()));
            }
        }
    }
}

async fn make(url: &RedisUrl, number: u64) -> RedisResult<Lines> {
    let (reads, writes) = tokio::try_join!(Line::open(url, None), Line::open(url, None))?;
    let survey = Arc::new(Survey::of(&mut reads.clone()).await?);
    Ok(Lines { number, reads, writes, survey })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// An address of this machine where nobody listens.
    fn nobody() -> RedisUrl {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        format!("redis://{address}").parse().unwrap()
    }

    #[tokio::test]
    async fn who_asks_for_a_connection_and_is_not_carried_on_holds_up_nobody() {
        let link = Link::new(nobody());
        let mut first = Box::pin(link.lines());
        assert!(first.as_mut().now_or_never().is_none());
        let second = tokio::time::timeout(Duration::from_secs(30), link.lines()).await;
        assert!(matches!(second, Ok(Err(LogError::Unavailable { .. }))), "{:?}", second.map(drop));
        assert!(first.await.is_err());
    }
}
