//! A stream that two write to, in turns.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// While it is shut, only who [passes](Gate::pass) it writes. Whoever meets it shut comes back by itself: who opens it
/// flushes afterwards.
pub(super) struct Gate<S> {
    stream: S,
    is_open: bool,
}

impl<S> Gate<S> {
    /// Open.
    pub fn new(stream: S) -> Self {
        Self { stream, is_open: true }
    }

    /// The stream, open or not.
    pub fn pass(&mut self) -> &mut S {
        &mut self.stream
    }

    pub fn set_open(&mut self, is_open: bool) {
        self.is_open = is_open;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_open { Pin::new(&mut self.stream).poll_write(context, bytes) } else { Poll::Pending }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_open { Pin::new(&mut self.stream).poll_write_vectored(context, pieces) } else { Poll::Pending }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_open { Pin::new(&mut self.stream).poll_shutdown(context) } else { Poll::Pending }
    }
}
