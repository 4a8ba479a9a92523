//! HTTP/1.1 on a listener, with bounds on what a connection may take before it has asked for anything.

use axum::{Router, body::Body, extract::Request, serve::Listener};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{pin::pin, sync::Arc};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tower::ServiceExt;

use crate::limits::{Limits, MAX_HEADER_BYTES, MAX_HEADERS};

/// Most bytes of a connection that are read before somebody wants them.
const MAX_BUFFER_BYTES: usize = 64 << 10;

/// Serves until `stop` is done, then lets every request finish that has begun. WebSockets count, and end, elsewhere: at
/// the [`Hub`](crate::hub::Hub).
///
/// A connection that does not send the whole head of a request within [`Limits::header_timeout`] is closed. Heads with
/// too many or too long headers are answered with 431 (the path and the query have a limit of their own).
pub(crate) async fn serve(mut listener: TcpListener, router: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES);
    let most = limits.max_http_connections.min(Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(most));
    let (stopping, _) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        // Without room nothing is accepted: what waits, waits in the kernel, whose queue is bounded, too.
        let accepted = async {
            let permit = room.clone().acquire_owned().await.expect("nobody closes the semaphore");
            let (stream, _) = Listener::accept(&mut listener).await;
            (permit, stream)
        };
        let (permit, stream) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        // An event is a small frame that somebody waits for.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY is not set");
        }
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::spawn(carry(connection, stopping.subscribe(), permit));
    }
    drop(listener);
    stopping.send_replace(true);
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    drop(room.acquire_many(all).await);
}

/// Until the connection has ended or become a WebSocket; once the server stops, its current request is its last.
async fn carry<S, B>(
    connection: http1::UpgradeableConnection<TokioIo<tokio::net::TcpStream>, S>,
    mut stopping: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    let stops = async move {
        // A server that is gone stops, too.
        let _ = stopping.wait_for(|stops| *stops).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stops => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection broke off");
    }
    drop(permit);
}
