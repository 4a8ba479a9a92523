//! What Redis's failures mean to someone who can do something about them.

use redis::RedisError;

use super::RedisUrl;
use crate::{fault::Fault, log::LogError};

/// A failure in words.
pub(super) fn explain(error: &RedisError, url: &RedisUrl) -> LogError {
    let code = error.code().unwrap_or_default();
    let (fault, what) = match code {
        // The scripts' own.
        "ENDED" => return LogError::StreamEnded,
        "FULL" => return LogError::StreamFull,
        "OOM" => (Fault::DiskFull, "has no memory left: give it more (maxmemory), or keep less with --retain-*"),
        "MISCONF" => (Fault::DiskFull, "cannot write to its disk: free some space there, or see its log"),
        "READONLY" => (Fault::Connection, "takes no writes: it is a replica, and its primary is elsewhere by now"),
        "NOREPLICAS" => (Fault::Connection, "has fewer replicas than it wants (min-replicas-to-write)"),
        "NOAUTH" | "WRONGPASS" | "NOPERM" => (
            Fault::Permission,
            "refuses this user: see the name and password in --log (ACKWIRE_LOG) and the user's ACL",
        ),
        "BUSY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" => (Fault::Busy, "is busy or not complete yet"),
        "WRONGTYPE" => (Fault::Schema, "has something else under this log's keys: give the log a database of its own"),
        _ if error.is_timeout() => (Fault::Timeout, "did not answer in time"),
        _ if error.is_io_error() || error.is_connection_dropped() || error.is_cluster_error() => {
            (Fault::Connection, "cannot be reached")
        }
        _ => (Fault::Other, "failed"),
    };
    LogError::Unavailable { fault, message: format!("the Redis at {url} {what} ({error}); try again") }
}

/// Whether the connection is of no more use: it is gone, nobody answers there, or another one is the primary now.
pub(super) fn ends_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_timeout()
        || error.is_io_error()
        || error.is_connection_dropped()
        || matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "NOAUTH"))
}
