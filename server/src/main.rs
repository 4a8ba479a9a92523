//! `ackwire-server`: the reference server as a program.

use ackwire_server::{
    config::{Config, LogFormat, LogKind},
    log::{Log, MemoryLog, SqliteLog},
    run,
};
use clap::Parser;
use std::{
    error::Error,
    process::{self, ExitCode},
    sync::Arc,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = Config::parse();
    start_logging(config.log_format);
    let result = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(serve(config)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    // Before anything is touched: settings that cannot work.
    config.auth()?;
    config.check_address(config.bind)?;
    let log: Arc<dyn Log> = match config.log {
        LogKind::Memory => Arc::new(MemoryLog::new(config.retention())),
        LogKind::Sqlite => Arc::new(SqliteLog::open(&config.data, config.retention())?),
    };
    let address = config.address();
    let listener = TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}: choose another with --port (PORT) or --bind (ACKWIRE_BIND)")
    })?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Programs that start this one wait for this line; with port 0 it is how they learn the port.
    println!("listening on http://{}", listener.local_addr()?);
    let mut stop = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    run(listener, config, log, async move {
        stop().await;
        tokio::spawn(async move {
            stop().await;
            eprintln!("stopped at once by a second signal");
            process::exit(1);
        });
    })
    .await?;
    Ok(())
}

fn start_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,ackwire_server=info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
