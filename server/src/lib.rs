//! The reference server of Ackwire: durable streams behind a [`log::Log`], tracked delivery over WebSocket.

pub mod agent;
pub mod auth;
pub mod clock;
pub mod config;
pub mod limits;
pub mod log;
pub mod origins;
pub mod trouble;

use std::sync::Arc;

use auth::Auth;
use config::{Config, ConfigError};
use log::Log;
use origins::Origins;

/// What every request of one server shares.
pub struct App {
    /// As it was told.
    pub config: Config,
    /// Who is asking.
    pub auth: Auth,
    /// From which pages.
    pub origins: Origins,
    /// The streams.
    pub log: Arc<dyn Log>,
}

impl App {
    /// Checks the settings.
    pub fn new(config: Config, log: Arc<dyn Log>) -> Result<Arc<Self>, ConfigError> {
        Ok(Arc::new(Self { auth: config.auth()?, origins: config.origins(), log, config }))
    }
}
