//! The reference server of Ackwire: durable streams behind a [`log::Log`], tracked delivery over WebSocket.
//!
//! [`run`] is the whole server on a listener; [`router`] is its routes, to mount in an application of your own.

pub mod agent;
pub mod alerts;
pub mod auth;
pub mod clock;
pub mod config;
mod dev;
pub mod fault;
pub mod http;
pub mod hub;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod monitor;
pub mod origins;
pub mod outbox;
pub mod peers;
mod run;
mod serve;
pub mod shutdown;
pub mod socket;
pub mod trouble;

pub use run::{RunError, run};

use ackwire::base;
use axum::Router;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use auth::Auth;
use config::{Config, ConfigError};
use http::AnswerRoom;
use hub::Hub;
use log::Log;
use monitor::{Monitor, WatchedLog};
use origins::Origins;
use trouble::Troubles;

/// The server's name, in `welcome` and `/health`.
pub const SERVICE: &str = "ackwire-server";
/// The server's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long clients may take to close once they were told to.
const CLOSE_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// What every request of one server shares.
pub struct App {
    /// As it was told.
    pub config: Config,
    /// Who is asking.
    pub auth: Auth,
    /// From which pages.
    pub origins: Origins,
    /// The streams; what is appended through this is counted and watched.
    pub log: Arc<dyn Log>,
    /// Who is connected, and what became of each event for each consumer.
    pub hub: Arc<Hub>,
    /// Whose way to the browser is made a bad one; nobody's, but in development mode.
    pub troubles: Troubles,
    answers: AnswerRoom,
    draining: AtomicBool,
}

impl App {
    /// Checks the settings.
    pub fn new(config: Config, log: Arc<dyn Log>) -> Result<Arc<Self>, ConfigError> {
        let (auth, origins) = (config.auth()?, config.origins());
        let monitor = Monitor::new(config.alerts.thresholds());
        let log: Arc<dyn Log> = Arc::new(WatchedLog::new(log, monitor.clone()));
        let hub = Hub::new(log.clone(), monitor, config.delivery.feed(), &config.limits);
        Ok(Arc::new(Self {
            hub,
            answers: AnswerRoom::new(&config.limits),
            config,
            auth,
            origins,
            log,
            troubles: Troubles::default(),
            draining: AtomicBool::new(false),
        }))
    }

    /// Every route of the server, to mount in an existing axum application.
    pub fn router(self: &Arc<Self>) -> Router {
        http::mountable(self.clone())
    }

    /// Whether this server is going away.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Asks every client to go elsewhere within [`Config::drain`], then closes those who stayed [AW-DRAIN].
    pub async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.hub.drain(base::Duration::from_millis(self.config.drain.as_millis() as u64));
        let over = self.config.drain + CLOSE_WITHIN;
        if tokio::time::timeout(over, self.hub.emptied()).await.is_err() {
            tracing::warn!("some clients did not close in time");
        }
        if let Err(error) = self.hub.save().await {
            tracing::error!(%error, "what became of the last events was not saved; clients repeat it");
        }
        if let Err(error) = self.hub.leave().await {
            tracing::warn!(%error, "other servers were not told; they find out by themselves");
        }
    }
}

/// Every route of the server, to mount in an existing axum application, merged or nested. Must be called inside a tokio
/// runtime. Who wants to drain it keeps the [`App`] and takes its [`router`](App::router).
///
/// ```
/// # tokio_test(async {
/// use ackwire_server::{config::Config, log::{MemoryLog, Retention}, router};
/// use axum::{Router, routing::get};
/// use clap::Parser;
/// use std::sync::Arc;
///
/// let config = Config::try_parse_from(["my-server", "--dev"])?;
/// let ackwire = router(config, Arc::new(MemoryLog::new(Retention::default())))?;
/// let app: Router = Router::new().route("/", get(|| async { "mine" })).nest("/ackwire", ackwire);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # fn tokio_test<F: Future>(test: F) -> F::Output { tokio::runtime::Runtime::new().unwrap().block_on(test) }
/// ```
pub fn router(config: Config, log: Arc<dyn Log>) -> Result<Router, ConfigError> {
    Ok(App::new(config, log)?.router())
}
