//! Close codes and what a client does about them.

/// Why a WebSocket was closed (the table in section 3 of `PROTOCOL.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// Closed on purpose.
    pub const NORMAL: Self = Self(1000);
    /// The server goes away, or a client that stopped answering pings.
    pub const GOING_AWAY: Self = Self(1001);
    /// No close frame: the network, or the process, is gone.
    pub const ABNORMAL: Self = Self(1006);
    /// A frame broke the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self(4400);
    /// Token refused or expired.
    pub const UNAUTHORIZED: Self = Self(4401);
    /// Not allowed, and a new token will not help.
    pub const FORBIDDEN: Self = Self(4403);
    /// No `hello` in time.
    pub const HELLO_TIMEOUT: Self = Self(4408);
    /// A newer connection of the same consumer took over.
    pub const REPLACED: Self = Self(4409);
    /// A frame was larger than the server takes.
    pub const TOO_LARGE: Self = Self(4413);
    /// Too many messages.
    pub const TOO_MANY_REQUESTS: Self = Self(4429);
    /// The server is shutting down.
    pub const DRAINING: Self = Self(4503);

    /// Whether trying again cannot help.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::FORBIDDEN | Self::REPLACED)
    }
}
