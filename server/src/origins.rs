//! Which web pages may talk to the server.

use std::net::IpAddr;

/// The pages whose requests are taken. What sends no `Origin` is no web page and is not concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    allowed: Vec<String>,
    development: bool,
}

impl Origins {
    /// `allowed` as browsers write them (`https://app.example`). In development every page on this machine is
    /// allowed as well, and the server must have been asked for under a name of this machine.
    pub fn new(allowed: Vec<String>, development: bool) -> Self {
        Self { allowed, development }
    }

    /// Whether a request with these headers is taken: its page is the server's own (`Origin` and `Host` name the same
    /// place) or an allowed one.
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        // Without tokens, a page could point a name of its own at 127.0.0.1 and be "the same origin".
        if self.development && !host.is_some_and(is_loopback) {
            return false;
        }
        let Some(origin) = origin else { return true };
        if self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let Some(place) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else {
            return false;
        };
        host.is_some_and(|host| host.eq_ignore_ascii_case(place)) || (self.development && is_loopback(place))
    }
}

/// Whether `host` or `host:port` is this machine.
fn is_loopback(place: &str) -> bool {
    let name = match place.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => place,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_page_and_allowed_ones() {
        let origins = Origins::new(vec!["https://app.example".into()], false);
        let host = Some("ack.example:8787");
        assert!(origins.allow(None, host), "no browser");
        assert!(origins.allow(Some("https://ack.example:8787"), host));
        assert!(origins.allow(Some("https://app.example"), host));
        for other in ["https://evil.example", "null", "http://localhost:3000", "https://app.example.evil.example"] {
            assert!(!origins.allow(Some(other), host), "{other}");
        }
    }

    #[test]
    fn in_development_this_machine_only() {
        let origins = Origins::new(Vec::new(), true);
        for origin in ["http://localhost:5173", "http://127.0.0.1:8787", "http://[::1]:3000"] {
            assert!(origins.allow(Some(origin), Some("127.0.0.1:8787")), "{origin}");
        }
        assert!(!origins.allow(Some("https://evil.example"), Some("localhost:8787")));
        let rebound = Some("evil.example:8787");
        assert!(!origins.allow(Some("http://evil.example:8787"), rebound) && !origins.allow(None, rebound));
    }
}
