//! `ackwire-server`: the reference server as a program.

mod healthcheck;
mod open_files;
mod stderr;

use ackwire_server::{
    config::{Config, LogFormat, LogKind},
    log::{Log, MemoryLog, RedisLog, SqliteLog},
    run,
    shutdown::Signals,
};
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    process::{self, ExitCode},
    sync::Arc,
};
use stderr::Harmless;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Huge pages where the system has them, and cheap frees: see "What was tried for the server" in `docs/benchmarks.md`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What the program is told: to serve, unless it says otherwise.
#[derive(Parser)]
#[command(name = "ackwire-server", version, about)]
struct Program {
    #[command(flatten)]
    config: Config,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Asks the server that has these settings whether it lives, and fails if it does not
    Healthcheck,
}

fn main() -> ExitCode {
    let Program { config, command } = Program::parse();
    let done = match command {
        None => start(config),
        Some(Command::Healthcheck) => healthcheck::healthcheck(config.address()).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(mut config: Config) -> Result<(), Box<dyn Error>> {
    start_logging(config.log_format)?;
    open_files::allow(&mut config.limits);
    tokio::runtime::Runtime::new()?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    // Before anything is touched: settings that cannot work.
    config.auth()?;
    config.check_address(config.bind)?;
    let log: Arc<dyn Log> = match config.log_kind()? {
        LogKind::Memory => Arc::new(MemoryLog::new(config.retention()).with_max_streams(config.limits.max_streams)),
        LogKind::Sqlite => Arc::new(SqliteLog::open(&config.data, config.retention())?),
        LogKind::Redis(settings) => Arc::new(RedisLog::new(settings, config.retention())),
    };
    let address = config.address();
    let listener = TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}: choose another with --port (PORT) or --bind (ACKWIRE_BIND)")
    })?;
    let mut signals = Signals::listen()?;
    // Programs that start this one wait for this line; with port 0 it is how they learn the port.
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            eprintln!("stopped at once by a second signal");
            process::exit(1);
        });
    };
    run(listener, config, log, stop).await?;
    Ok(())
}

/// Libraries that log, at their finest, what they carry: frames with tokens and events. They never get that far.
const TELLTALES: [&str; 4] = ["axum", "hyper", "tokio_tungstenite", "tungstenite"];

/// Log lines go to stderr; stdout has one line, for programs.
fn start_logging(format: LogFormat) -> Result<(), Box<dyn Error>> {
    let mut filter = match env::var("RUST_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter).map_err(|error| format!("RUST_LOG={filter}: {error}"))?,
        Err(_) => EnvFilter::new("warn,ackwire_server=info"),
    };
    for library in TELLTALES {
        filter = filter.add_directive(format!("{library}=info").parse()?);
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Harmless);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
