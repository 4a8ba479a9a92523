//! What the server is told: flags, each also an environment variable.

use ackwire::{base, deliver};
use clap::{Args, Parser, ValueEnum};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::{
    alerts::Thresholds,
    auth::{Auth, Expected},
    limits::{Limits, MAX_RETRIES, span},
    log::{RedisSettings, RedisUrl, RedisUrlError, Retention},
    origins::Origins,
    peers::PeerFrom,
};

/// Fewest bytes of an HS256 secret (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// Everything that can be set. [`Config::try_parse_from`](clap::Parser::try_parse_from) makes one from flags, the
/// environment and the defaults.
#[derive(Parser, Clone, Debug)]
#[command(name = "ackwire-server", version, about = "The Ackwire server: durable streams, tracked delivery")]
pub struct Config {
    /// Address to listen on
    #[arg(long, env = "ACKWIRE_BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,

    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 8787)]
    pub port: u16,

    /// Development mode: no tokens, the demo page, switches that make trouble. Loopback addresses only
    #[arg(long, env = "ACKWIRE_DEV")]
    pub dev: bool,

    /// What keeps the events: sqlite (one file), memory (gone at the end), or the URL of a Redis that several servers
    /// share, redis://user:password@host:6379/0 (rediss for TLS; redis-cluster, redis-sentinel: see the documentation)
    #[arg(long, env = "ACKWIRE_LOG", default_value = "sqlite", hide_env_values = true)]
    pub log: LogChoice,

    /// Folder of the SQLite log; made if it is not there
    #[arg(long, env = "ACKWIRE_DATA", default_value = "./data")]
    pub data: PathBuf,

    /// How a log in Redis is used.
    #[command(flatten)]
    pub redis: Redis,

    /// What is kept of the past.
    #[command(flatten)]
    pub retain: Retain,

    /// Whose tokens are taken.
    #[command(flatten)]
    pub tokens: Tokens,

    /// Web pages that may connect besides the server's own, such as `https://app.example` (repeat, or separate by
    /// commas)
    #[arg(long = "allow-origin", env = "ACKWIRE_ALLOW_ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub allow_origins: Vec<String>,

    /// How a client's address is known, for limits of one address. A header is to be named only if a proxy of yours sets
    /// it, and clients cannot reach the server past that proxy
    #[arg(long, env = "ACKWIRE_PEER_FROM", value_enum, default_value_t)]
    pub peer_from: PeerFrom,

    /// How long a confirmation may take, and what happens then.
    #[command(flatten)]
    pub delivery: Delivery,

    /// What clients and producers may ask for.
    #[command(flatten)]
    pub limits: Limits,

    /// When somebody should look.
    #[command(flatten)]
    pub alerts: Alerts,

    /// Shows /metrics to everyone who can reach the server, without a token
    #[arg(long, env = "ACKWIRE_METRICS_OPEN")]
    pub metrics_open: bool,

    /// How long a stopping server gives its clients to go elsewhere (0s to 10m)
    #[arg(long, env = "ACKWIRE_DRAIN", default_value = "5s", value_parser = drain)]
    pub drain: Duration,

    /// Development mode: folder of the demo page
    #[arg(long, env = "ACKWIRE_WWW", default_value = "./www")]
    pub www: PathBuf,

    /// Development mode: folder of the built npm package
    #[arg(long, env = "ACKWIRE_PKG", default_value = "./dist")]
    pub pkg: PathBuf,

    /// Form of the log lines on stderr; RUST_LOG says which
    #[arg(long, env = "ACKWIRE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What keeps the events.
#[derive(Clone, Debug)]
pub enum LogKind {
    /// One file in the data folder, synced before a producer is answered.
    Sqlite,
    /// The process; gone at its end.
    Memory,
    /// A Redis, which other servers may share.
    Redis(RedisSettings),
}

/// What keeps the events, as it was written. It may have a password in it, which is not shown.
#[derive(Clone)]
pub struct LogChoice(String);

impl From<&str> for LogChoice {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for LogChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.parse::<RedisUrl>() {
            Ok(url) => url.fmt(f),
            Err(_) => f.write_str("…"),
        }
    }
}

/// How a log in Redis is used, as flags.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Redis")]
pub struct Redis {
    /// How many replicas must have an event before its producer is answered (0 to 10); fewer is an error, and to be tried
    /// again
    #[arg(long = "redis-replicas", env = "ACKWIRE_REDIS_REPLICAS", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=10))]
    pub replicas: u32,
}

/// Form of the server's own log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Deadlines and retries, as flags [AW-SEND-2]. An event may bring its own.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Delivery")]
pub struct Delivery {
    /// How long a consumer has to confirm an event (10ms to 24h)
    #[arg(long = "delivery-deadline", env = "ACKWIRE_DELIVERY_DEADLINE", default_value = "30s", value_parser = deadline)]
    pub deadline: Duration,

    /// How often an event that failed or timed out is sent again (0 to 100)
    #[arg(long = "delivery-retries", env = "ACKWIRE_DELIVERY_RETRIES", default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_RETRIES)))]
    pub retries: u32,

    /// How long the first retry waits at most; the next ones twice, four times, … as long (1ms to 1h)
    #[arg(long = "delivery-backoff", env = "ACKWIRE_DELIVERY_BACKOFF", default_value = "1s", value_parser = backoff)]
    pub backoff: Duration,

    /// How long any retry waits at most (1ms to 1h)
    #[arg(long = "delivery-backoff-max", env = "ACKWIRE_DELIVERY_BACKOFF_MAX", default_value = "30s",
        value_parser = backoff)]
    pub backoff_max: Duration,
}

impl Delivery {
    /// In the words of the core.
    pub fn feed(&self) -> deliver::Config {
        let millis = |span: Duration| base::Duration::from_millis(span.as_millis() as u64);
        deliver::Config {
            deadline: millis(self.deadline),
            retries: self.retries,
            retry_backoff: base::Backoff { base: millis(self.backoff), max: millis(self.backoff_max) },
            ..deliver::Config::default()
        }
    }
}

/// Retention, as flags.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Retention (each stream; default: everything is kept)")]
pub struct Retain {
    /// Most events of a stream
    #[arg(long = "retain-events", env = "ACKWIRE_RETAIN_EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub events: Option<u64>,

    /// Most bytes of a stream
    #[arg(long = "retain-bytes", env = "ACKWIRE_RETAIN_BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub bytes: Option<u64>,

    /// Oldest age of an event, such as 30d (1s to 100y)
    #[arg(long = "retain-age", env = "ACKWIRE_RETAIN_AGE", value_parser = age)]
    pub age: Option<Duration>,

    /// How long a silent consumer is remembered (1s to 100y)
    #[arg(long = "retain-consumers", env = "ACKWIRE_RETAIN_CONSUMERS", default_value = "30d", value_parser = age)]
    pub consumers: Duration,
}

/// When somebody should look, as flags.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Alerts")]
pub struct Alerts {
    /// How long a run may be silent before it is an alert (1s to 24h)
    #[arg(long = "alert-silence", env = "ACKWIRE_ALERT_SILENCE", default_value = "30s", value_parser = threshold)]
    pub silence: Duration,

    /// How long a tool may execute before it is an alert (1s to 24h)
    #[arg(long = "alert-tool", env = "ACKWIRE_ALERT_TOOL", default_value = "60s", value_parser = threshold)]
    pub tool: Duration,
}

impl Alerts {
    /// In the words of the detector.
    pub fn thresholds(&self) -> Thresholds {
        let span = |span: Duration| base::Duration::from_millis(span.as_millis() as u64);
        Thresholds { silence: span(self.silence), tool: span(self.tool) }
    }
}

/// Whose tokens are taken.
#[derive(Args, Clone)]
#[command(next_help_heading = "Tokens (JWT)")]
pub struct Tokens {
    /// Takes HS256 tokens signed with this secret, of at least 32 bytes; better given in the environment
    #[arg(long, env = "ACKWIRE_JWT_SECRET", hide_env_values = true, conflicts_with = "jwt_public_key")]
    pub jwt_secret: Option<String>,

    /// Takes tokens signed with the private half of this PEM file's public key: RS256, ES256 or EdDSA, by its kind
    #[arg(long, env = "ACKWIRE_JWT_PUBLIC_KEY", value_name = "FILE")]
    pub jwt_public_key: Option<PathBuf>,

    /// The `aud` that tokens must have
    #[arg(long, env = "ACKWIRE_JWT_AUDIENCE")]
    pub jwt_audience: Option<String>,

    /// The `iss` that tokens must have
    #[arg(long, env = "ACKWIRE_JWT_ISSUER")]
    pub jwt_issuer: Option<String>,

    /// By how much clocks may differ (0s to 5m)
    #[arg(long, env = "ACKWIRE_JWT_LEEWAY", default_value = "5s", value_parser = leeway)]
    pub jwt_leeway: Duration,
}

/// Settings that do not go together. Each text names the setting and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither keys nor development mode.
    #[error(
        "no way to know who connects: set --jwt-secret (ACKWIRE_JWT_SECRET) or --jwt-public-key, \
         or --dev to run without tokens on this machine only"
    )]
    NoKeys,
    /// Keys and development mode.
    #[error("--dev takes no tokens: leave out --dev, or --jwt-secret and --jwt-public-key")]
    DevelopmentWithKeys,
    /// Development mode for others to reach.
    #[error(
        "--dev lets everyone read and write everything, so it listens on loopback addresses only, and {0} is none: \
         leave out --bind, or configure tokens instead of --dev"
    )]
    DevelopmentInPublic(IpAddr),
    /// Nothing that keeps events.
    #[error("--log (ACKWIRE_LOG): sqlite, memory, or the URL of a Redis: {0}")]
    NoLog(String),
    /// A secret that can be guessed.
    #[error("--jwt-secret has {0} bytes and needs at least {MIN_SECRET_BYTES}: make one with `openssl rand -hex 32`")]
    WeakSecret(usize),
    /// A key file that is none.
    #[error("--jwt-public-key {file}: {problem}")]
    PublicKey {
        /// Which file.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

impl Config {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// What keeps the events. Fails if it names nothing that does.
    pub fn log_kind(&self) -> Result<LogKind, ConfigError> {
        match self.log.0.as_str() {
            "sqlite" => Ok(LogKind::Sqlite),
            "memory" => Ok(LogKind::Memory),
            url => {
                let url = url.parse().map_err(|error: RedisUrlError| ConfigError::NoLog(error.to_string()))?;
                Ok(LogKind::Redis(RedisSettings { url, replicas: self.redis.replicas }))
            }
        }
    }

    /// Who decides about tokens. Fails if the settings do not go together.
    pub fn auth(&self) -> Result<Auth, ConfigError> {
        let tokens = &self.tokens;
        let expected = Expected {
            audience: tokens.jwt_audience.clone(),
            issuer: tokens.jwt_issuer.clone(),
            leeway_seconds: tokens.jwt_leeway.as_secs(),
        };
        match (self.dev, &tokens.jwt_secret, &tokens.jwt_public_key) {
            (true, None, None) => Ok(Auth::open()),
            (true, ..) => Err(ConfigError::DevelopmentWithKeys),
            (false, Some(secret), _) if secret.len() < MIN_SECRET_BYTES => Err(ConfigError::WeakSecret(secret.len())),
            (false, Some(secret), _) => Ok(Auth::with_secret(secret.as_bytes(), &expected)),
            (false, None, Some(file)) => {
                let problem = |problem: String| ConfigError::PublicKey { file: file.display().to_string(), problem };
                let pem = std::fs::read(file).map_err(|error| problem(error.to_string()))?;
                Auth::with_public_key(&pem, &expected).map_err(|error| problem(error.to_string()))
            }
            (false, None, None) => Err(ConfigError::NoKeys),
        }
    }

    /// Whether it may listen there.
    pub fn check_address(&self, address: IpAddr) -> Result<(), ConfigError> {
        if self.dev && !address.is_loopback() { Err(ConfigError::DevelopmentInPublic(address)) } else { Ok(()) }
    }

    /// Which web pages may connect.
    pub fn origins(&self) -> Origins {
        Origins::new(self.allow_origins.clone(), self.dev)
    }

    /// What is kept of the past.
    pub fn retention(&self) -> Retention {
        let Retain { events, bytes, age, consumers } = self.retain;
        Retention { events, bytes, age, consumers: Some(consumers) }
    }
}

impl std::fmt::Debug for Tokens {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("jwt_secret", &self.jwt_secret.as_ref().map(|_| "…"))
            .field("jwt_public_key", &self.jwt_public_key)
            .field("jwt_audience", &self.jwt_audience)
            .field("jwt_issuer", &self.jwt_issuer)
            .finish_non_exhaustive()
    }
}

fn origin(text: &str) -> Result<String, String> {
    let place = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match place {
        Some(place) if !place.is_empty() && !place.contains(['/', '*']) => Ok(text.to_owned()),
        _ => Err("an origin is http:// or https://, a host, and a port if it is unusual, without a path".into()),
    }
}

fn deadline(text: &str) -> Result<Duration, String> {
    span(text, Duration::from_millis(10), Duration::from_secs(24 * 60 * 60))
}

fn backoff(text: &str) -> Result<Duration, String> {
    span(text, Duration::from_millis(1), Duration::from_secs(60 * 60))
}

fn age(text: &str) -> Result<Duration, String> {
    span(text, Duration::from_secs(1), Duration::from_secs(100 * 366 * 24 * 60 * 60))
}

fn threshold(text: &str) -> Result<Duration, String> {
    span(text, Duration::from_secs(1), Duration::from_secs(24 * 60 * 60))
}

fn drain(text: &str) -> Result<Duration, String> {
    span(text, Duration::ZERO, Duration::from_secs(10 * 60))
}

fn leeway(text: &str) -> Result<Duration, String> {
    span(text, Duration::ZERO, Duration::from_secs(5 * 60))
}
