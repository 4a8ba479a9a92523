//! How many files this process may have open: each connection is one.

use ackwire_server::limits::Limits;

/// What a server opens besides its clients' connections: the log, its listener, HTTP requests that are being answered.
const OTHERS: u64 = 256;

/// Asks the system for as many as `limits` need. If it allows fewer, fewer connections are taken: one too many is then
/// refused with a sentence, and not left to hang.
pub fn allow(limits: &mut Limits) {
    let wanted = (limits.max_connections as u64).saturating_add(OTHERS);
    let allowed = match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed < wanted => allowed,
        Ok(_) => return,
        Err(error) => return tracing::warn!(%error, "how many files may be open is not known"),
    };
    let least = (allowed / 2).max(1);
    let most = allowed.saturating_sub(OTHERS).max(least) as usize;
    tracing::warn!(
        "this process may open {allowed} files: it takes {most} connections instead of {}; allow it {wanted} files with \
         `ulimit -n` (or LimitNOFILE), or set --max-connections",
        limits.max_connections
    );
    limits.max_connections = most;
}
