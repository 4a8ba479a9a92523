//! Where the Redis is.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use std::{fmt, str::FromStr};

/// Which Redis keeps the log. Its text is one of
///
/// - `redis://user:password@host:6379/0`: one server, or what stands before several and is one to its clients;
/// - `redis-cluster://user:password@host:6379,host:6379`: a cluster, of which some nodes are named;
/// - `redis-sentinel://user:password@host:26379,host:26379/0#primary`: whom the sentinels name as the primary of that name
///   (without one: `mymaster`). User, password and database are the Redis servers'; sentinels are asked without any.
///
/// `rediss`, `rediss-cluster` and `rediss-sentinel` are the same over TLS, with the roots that the system trusts.
/// The password stays out of what [`Display`](fmt::Display) and [`Debug`] show.
#[derive(Clone)]
pub struct RedisUrl {
    pub(super) kind: Kind,
    /// At least one.
    pub(super) nodes: Vec<ConnectionInfo>,
    shown: String,
}

/// Who answers there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Node,
    Cluster,
    /// The primary of this name.
    Sentinel(String),
}

/// Why a text names no Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: write redis://host:6379, redis-cluster://host:6379,host:6379 or redis-sentinel://host:26379#primary, with \
     rediss instead of redis for TLS, and user:password@ before the host if need be"
)]
pub struct RedisUrlError(String);

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, RedisUrlError> {
        let wrong = |what: &str| RedisUrlError(what.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("this is no URL"))?;
        let (transport, kind) = scheme.split_once('-').unwrap_or((scheme, ""));
        if !matches!(transport, "redis" | "rediss") {
            return Err(wrong("its scheme is not redis"));
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
            None => (String::new(), authority),
        };
        let kind = match kind {
            "" if hosts.contains(',') => return Err(wrong("several hosts are a cluster or sentinels")),
            "" => Kind::Node,
            "cluster" => Kind::Cluster,
            "sentinel" if fragment.is_empty() => Kind::Sentinel("mymaster".into()),
            "sentinel" => Kind::Sentinel(fragment.into()),
            _ => return Err(wrong("its scheme is not redis, redis-cluster or redis-sentinel")),
        };
        if !fragment.is_empty() && !matches!(kind, Kind::Sentinel(_)) {
            return Err(wrong("only sentinels know a primary by its name"));
        }
        let nodes = hosts.split(',').map(|host| {
            let info = format!("{transport}://{credentials}{host}/{path}").into_connection_info();
            // The library's words about it may repeat the password.
            info.map(with_pushes).map_err(|_| wrong("its user, host, port or database cannot be read"))
        });
        let shown = if path.is_empty() { format!("{scheme}://{hosts}") } else { format!("{scheme}://{hosts}/{path}") };
        Ok(Self { kind, nodes: nodes.collect::<Result<_, _>>()?, shown })
    }
}

/// The protocol's version in which a server says something without being asked.
fn with_pushes(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    info.set_redis_settings(settings)
}

impl RedisUrl {
    /// The sentinels' addresses, and whether they and the primary talk TLS.
    pub(super) fn addresses(&self) -> (Vec<ConnectionAddr>, bool) {
        let addresses: Vec<_> = self.nodes.iter().map(|node| node.addr().clone()).collect();
        let is_tls = matches!(addresses.first(), Some(ConnectionAddr::TcpTls { .. }));
        (addresses, is_tls)
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> RedisUrl {
        text.parse().unwrap()
    }

    #[test]
    fn one_server() {
        let url = parsed("redis://ada:pass%40word@db.example:6380/3");
        assert_eq!(url.kind, Kind::Node);
        let settings = url.nodes[0].redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("ada"), Some("pass@word"), 3));
        assert_eq!(url.nodes[0].addr().to_string(), "db.example:6380");
        assert_eq!(parsed("redis://localhost").nodes[0].addr().to_string(), "localhost:6379");
        assert!(matches!(
            parsed("rediss://db.example").nodes[0].addr(),
            ConnectionAddr::TcpTls { insecure: false, .. }
        ));
    }

    #[test]
    fn a_cluster_and_sentinels() {
        let cluster = parsed("rediss-cluster://ada:secret@a:1,b:2");
        assert_eq!((cluster.kind, cluster.nodes.len()), (Kind::Cluster, 2));
        assert_eq!(cluster.nodes[1].redis_settings().password(), Some("secret"));
        let sentinels = parsed("redis-sentinel://a:1,b:2/4#primary");
        assert_eq!(sentinels.kind, Kind::Sentinel("primary".into()));
        assert_eq!(sentinels.nodes[0].redis_settings().db(), 4);
        assert_eq!(parsed("redis-sentinel://a:1").kind, Kind::Sentinel("mymaster".into()));
    }

    #[test]
    fn passwords_are_not_shown() {
        for text in ["redis://ada:secret@db.example/3", "redis-cluster://:secret@a,b"] {
            let url = parsed(text);
            assert!(!format!("{url} {url:?}").contains("secret"), "{url}");
        }
        assert_eq!(parsed("redis://ada:secret@db.example/3").to_string(), "redis://db.example/3");
        let wrong = "redis://ada:secret@db.example/three".parse::<RedisUrl>().unwrap_err();
        assert!(!wrong.to_string().contains("secret"), "{wrong}");
    }

    #[test]
    fn what_names_no_redis_is_refused() {
        for text in ["", "redis", "http://a", "redis-x://a", "redis://a,b", "redis://a#b", "redis://a/b", "redis://a:b"]
        {
            assert!(text.parse::<RedisUrl>().is_err(), "{text}");
        }
    }
}
