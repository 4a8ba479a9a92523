//! How many files this process may have open: each connection is one.

use ackwire_server::limits::Limits;

/// What a server opens besides connections: the log, the listener.
const OTHERS: u64 = 64;

/// Asks the system for as many as `limits` need. If it allows fewer, fewer connections are taken: one too many is then
/// refused with a sentence, and not left to hang.
pub fn allow(limits: &mut Limits) {
    let wanted = (limits.max_connections as u64).saturating_add(limits.max_http_connections as u64) + OTHERS;
    let allowed = match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed < wanted => allowed,
        Ok(_) => return,
        Err(error) => return tracing::warn!(%error, "how many files may be open is not known"),
    };
    let room = allowed.saturating_sub(OTHERS).max(2) as usize;
    let http = limits.max_http_connections.min(room / 4).max(1);
    let most = limits.max_connections.min(room - http);
    tracing::warn!(
        "this process may open {allowed} files: it takes {most} WebSockets and {http} HTTP connections instead of {} and \
         {}; allow it {wanted} files with `ulimit -n` (or LimitNOFILE), or set --max-connections and \
         --max-http-connections",
        limits.max_connections,
        limits.max_http_connections
    );
    (limits.max_connections, limits.max_http_connections) = (most, http);
}
