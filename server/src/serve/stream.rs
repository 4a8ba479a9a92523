//! A connection's TCP stream: how long an answer may take to be read, and how the connection ends.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Duration, Sleep, sleep, timeout},
};

/// How long a connection that is over waits for its peer to have read the last words.
const LINGER: Duration = Duration::from_secs(5);

/// Whether a stream carries HTTP or, once it is upgraded, a WebSocket, which has a patience of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Mode(Arc<AtomicBool>);

impl Mode {
    /// From now on it is a WebSocket.
    pub fn upgrade(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_http(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

/// A TCP stream that breaks off if an answer is not read in time, and that otherwise ends with its last words read: who
/// closes a socket with something unread in it resets the connection, and a reset may overtake them (RFC 9112, 9.6).
pub(super) struct Stream {
    /// None once it was broken off.
    tcp: Option<TcpStream>,
    mode: Mode,
    patience: Duration,
    /// Until when all that waits must have been taken; from when something has to wait until nothing does.
    due: Option<Pin<Box<Sleep>>>,
    lingering: Arc<Semaphore>,
}

impl Stream {
    /// An answer may take so long. At most as many streams linger as there are permits.
    pub fn new(tcp: TcpStream, patience: Duration, lingering: Arc<Semaphore>) -> Self {
        Self { tcp: Some(tcp), mode: Mode::default(), patience, due: None, lingering }
    }

    /// What it carries.
    pub fn mode(&self) -> Mode {
        self.mode.clone()
    }

    fn tcp(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.tcp.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// An error instead of waiting, once that has lasted too long.
    fn in_time<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() || !self.mode.is_http() {
            return written;
        }
        let patience = self.patience;
        let due = self.due.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(due.as_mut().poll(context));
        // What waits is not worth keeping: neither here nor in the kernel.
        if let Some(tcp) = self.tcp.take() {
            let _ = tcp.set_zero_linger();
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was not read in time (--answer-timeout)")))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().tcp()?.poll_read(context, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.tcp()?.poll_write(context, bytes);
        this.in_time(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.tcp()?.poll_write_vectored(context, pieces);
        this.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.as_ref().is_some_and(TcpStream::is_write_vectored)
    }

    /// Comes once everything is written.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.due = None;
        this.tcp()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().tcp()?.poll_shutdown(context)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (Some(tcp), Ok(runtime)) = (self.tcp.take(), Handle::try_current()) else { return };
        let is_over = matches!(tcp.try_read(&mut [0]), Ok(0));
        if let (false, Ok(permit)) = (is_over, self.lingering.clone().try_acquire_owned()) {
            runtime.spawn(linger(tcp, permit));
        }
    }
}

/// Says that nothing more comes, and lets go of what does, until the peer has closed.
async fn linger(mut tcp: TcpStream, permit: OwnedSemaphorePermit) {
    let over = async {
        tcp.shutdown().await?;
        let mut scrap = [0; 4096];
        while tcp.read(&mut scrap).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether it came to that or not: nothing depends on it.
    let _ = timeout(LINGER, over).await;
    drop(permit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Of two that end with something unread at a time when one may linger, the second is reset.
    #[tokio::test]
    async fn only_so_many_linger() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lingering = Arc::new(Semaphore::new(1));
        let mut ends = Vec::new();
        for _ in 0..2 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"unread").await.unwrap();
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.readable().await.unwrap();
            drop(Stream::new(tcp, LINGER, lingering.clone()));
            ends.push((client.read(&mut [0]).await.map_err(|error| error.kind()), client));
        }
        assert_eq!((&ends[0].0, &ends[1].0), (&Ok(0), &Err(io::ErrorKind::ConnectionReset)));
        ends.clear();
        // Who has read the last words makes room.
        drop(timeout(LINGER * 4, lingering.acquire()).await.expect("room").unwrap());
    }
}
