//! HTTP/1.1 on a listener, with bounds on what a connection may take before it has asked for anything.

mod stream;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::StatusCode,
    serve::Listener,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{net::SocketAddr, pin::pin, sync::Arc};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tower::ServiceExt;

use crate::{
    config::Config,
    limits::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_LINGERING},
    peers::{Crowd, Peer, PeerFrom, Presence},
};
use stream::Stream;

/// Most bytes of a connection that are read before somebody wants them.
const MAX_BUFFER_BYTES: usize = 64 << 10;

/// Serves until `stop` is done, then lets every request finish that has begun. WebSockets count, and end, elsewhere: at
/// the [`Hub`](crate::hub::Hub).
///
/// A connection that does not send the whole head of a request within `header_timeout` is closed, and so is one that does
/// not take an answer within `answer_timeout` ([`Limits`](crate::limits::Limits)). Heads with too many or too long headers
/// are answered with 431 (the path and the query have a limit of their own).
pub(crate) async fn serve(mut listener: TcpListener, router: Router, config: &Config, stop: impl Future<Output = ()>) {
    let limits = &config.limits;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES);
    let most = limits.max_http_connections.min(Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(most));
    let crowd = (config.peer_from == PeerFrom::Socket).then(|| Crowd::new(limits.max_http_connections_per_peer));
    let lingering = Arc::new(Semaphore::new(MAX_LINGERING));
    let (stopping, _) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        // Without room nothing is accepted: what waits, waits in the kernel, whose queue is bounded, too.
        let accepted = async {
            let permit = room.clone().acquire_owned().await.expect("nobody closes the semaphore");
            let (stream, address) = Listener::accept(&mut listener).await;
            (permit, stream, address)
        };
        let (permit, stream, address) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let presence = match &crowd {
            None => None,
            Some(crowd) => match crowd.enter(Peer::from(address.ip())) {
                Some(presence) => Some(presence),
                None => {
                    tracing::debug!(%address, "has --max-http-connections-per-peer connections already");
                    continue;
                }
            },
        };
        // An event is a small frame that somebody waits for.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY is not set");
        }
        let stream = Stream::new(stream, limits.answer_timeout, lingering.clone());
        let (router, mode) = (router.clone(), stream.mode());
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, mode) = (router.clone(), mode.clone());
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo::<SocketAddr>(address));
                let answer = router.oneshot(request).await;
                if answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SWITCHING_PROTOCOLS) {
                    mode.upgrade();
                }
                answer
            }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::spawn(carry(connection, stopping.subscribe(), (permit, presence)));
    }
    drop(listener);
    stopping.send_replace(true);
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    drop(room.acquire_many(all).await);
}

/// Until the connection has ended or become a WebSocket; once the server stops, its current request is its last.
async fn carry<S, B>(
    connection: http1::UpgradeableConnection<TokioIo<Stream>, S>,
    mut stopping: watch::Receiver<bool>,
    place: (OwnedSemaphorePermit, Option<Presence>),
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
    drop(place);
}
