//! The server's life: from its listener to its end.

use std::{io, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, time};

use crate::{
    App, clock,
    config::{Config, ConfigError},
    http,
    log::Log,
    serve::serve,
};

/// How often age is checked: what is too old may stay that much longer.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// How long requests that are being answered may take once the server is drained.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Why the server did not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings that do not go together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The network failed.
    #[error("the listener failed: {0}")]
    Io(#[from] io::Error),
}

/// Serves until `shutdown` is done; then drains [AW-DRAIN], finishes what is being answered, and returns, within
/// [`Config::drain`] and 10 seconds.
pub async fn run(
    listener: TcpListener,
    config: Config,
    log: Arc<dyn Log>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    config.check_address(listener.local_addr()?.ip())?;
    let app = App::new(config, log)?;
    let trimming = tokio::spawn(trim(app.log.clone()));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = app.clone();
    let mut server = tokio::spawn(async move {
        serve(listener, http::complete(serving.clone()), &serving.config, async {
            // A dropped sender stops, too.
            let _ = stopped.await;
        })
        .await;
    });
    tokio::select! {
        ended = &mut server => ended.map_err(io::Error::other)?,
        () = shutdown => {
            tracing::info!(clients_have = ?app.config.drain, "draining");
            app.drain().await;
            drop(stop);
            if time::timeout(FINISH_WITHIN, &mut server).await.is_err() {
                tracing::warn!("some requests were not answered in time");
                server.abort();
            }
        }
    }
    trimming.abort();
    tracing::info!("stopped");
    Ok(())
}

async fn trim(log: Arc<dyn Log>) {
    let mut timer = time::interval(TRIM_EVERY);
    timer.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        if let Err(error) = log.trim(clock::unix_ms()).await {
            tracing::warn!(%error, "trimming failed; it is tried again");
        }
    }
}
