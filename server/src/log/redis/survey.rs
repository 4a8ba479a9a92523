//! What Redis is set up to do with what it is given.

use redis::{ErrorKind, RedisResult, ServerErrorKind, Value, cmd, from_redis_value};
use std::collections::HashMap;

use super::{RedisUrl, link::Line};

/// The oldest that knows sharded channels.
const OLDEST: (u32, u32) = (7, 0);
/// The oldest that can be asked to wait for its own disk.
const WAITS_FOR_DISK: (u32, u32) = (7, 2);

/// What was found; of a cluster, the worst of its primaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Whether a restart loses nothing that was answered: `appendfsync always`.
    pub(super) keeps_all: bool,
    /// Whether an answer can wait until the disk has it, and needs to: WAITAOF.
    pub(super) waits_for_disk: bool,
    /// What somebody should put right.
    complaints: Vec<String>,
}

impl Survey {
    /// Looks at every primary. Fails if one of them is too old to work with.
    pub(super) async fn of(line: &mut Line) -> RedisResult<Self> {
        let mut found = Vec::new();
        for info in line.each_primary(cmd("INFO")).await? {
            found.push(fields(&from_redis_value::<String>(info)?));
        }
        if found.iter().any(is_loading) {
            let loading = ErrorKind::Server(ServerErrorKind::BusyLoading);
            return Err((loading, "it is still reading what it has kept").into());
        }
        let mut syncs = Vec::new();
        let mut asked = cmd("CONFIG");
        asked.arg("GET").arg("appendfsync");
        for answer in as_far_as_allowed(line.each_primary(asked).await)? {
            let settings: HashMap<String, String> = from_redis_value(answer).unwrap_or_default();
            syncs.extend(settings.into_values());
        }
        if let Some(old) = found.iter().find(|info| version(info) < OLDEST) {
            let has = old.get("redis_version").cloned().unwrap_or_default();
            return Err((ErrorKind::InvalidClientConfig, "this log needs Redis 7.0 or newer, or Valkey", has).into());
        }
        Ok(Self::judge(&found, &syncs))
    }

    fn judge(primaries: &[HashMap<String, String>], syncs: &[String]) -> Self {
        let is = |info: &HashMap<String, String>, field: &str, value: &str| info.get(field).is_some_and(|v| v == value);
        let appends = primaries.iter().all(|info| is(info, "aof_enabled", "1"));
        let keeps_all = appends && syncs.len() >= primaries.len() && syncs.iter().all(|sync| sync == "always");
        let waits_for_disk = appends && !keeps_all && primaries.iter().all(|info| version(info) >= WAITS_FOR_DISK);
        let mut complaints = Vec::new();
        if !appends {
            complaints.push(
                "it writes no append-only file, so a restart loses what came after its last snapshot: set appendonly \
                 yes and appendfsync always"
                    .to_owned(),
            );
        } else if !keeps_all && !waits_for_disk {
            complaints.push(
                "it syncs its append-only file less than at every write, so a power cut loses what producers were told \
                 is kept: set appendfsync always, or run Redis 7.2 or newer"
                    .to_owned(),
            );
        }
        if let Some(evicts) = primaries.iter().filter_map(|info| info.get("maxmemory_policy")).find(|p| evicts(p)) {
            complaints.push(format!(
                "its maxmemory-policy is {evicts}, so it throws away events when its memory is full: set noeviction"
            ));
        }
        Self { keeps_all, waits_for_disk, complaints }
    }

    /// Says what it found, in the server's own log.
    pub(super) fn tell(&self, redis: &RedisUrl) {
        tracing::info!(%redis, keeps_all = self.keeps_all, waits_for_disk = self.waits_for_disk, "connected");
        for problem in &self.complaints {
            tracing::error!(%redis, problem, "this Redis is not set up to keep a log");
        }
    }
}

/// While it reads its append-only file it says that it writes none.
fn is_loading(info: &HashMap<String, String>) -> bool {
    ["loading", "async_loading"].iter().any(|field| info.get(*field).is_some_and(|value| value == "1"))
}

/// Not every service lets its users see its settings: NOPERM, or no such command. Who did not answer has not said so: taken
/// for that, a Redis that keeps all would be believed to have lost something at its next restart.
fn as_far_as_allowed(answers: RedisResult<Vec<Value>>) -> RedisResult<Vec<Value>> {
    match answers {
        Err(error) if matches!(error.code(), Some("NOPERM" | "ERR")) => Ok(Vec::new()),
        answers => answers,
    }
}

/// No key of the log expires: what goes by that evicts none.
fn evicts(policy: &str) -> bool {
    policy.starts_with("allkeys")
}

fn fields(info: &str) -> HashMap<String, String> {
    info.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.into(), value.into())).collect()
}

fn version(info: &HashMap<String, String>) -> (u32, u32) {
    let text = info.get("redis_version").map_or("", String::as_str);
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(version: &str, appends: &str, policy: &str) -> HashMap<String, String> {
        fields(&format!(
            "# Server\r\nredis_version:{version}\r\naof_enabled:{appends}\r\nmaxmemory_policy:{policy}\r\n"
        ))
    }

    #[test]
    fn a_good_set_up_is_not_complained_about() {
        let survey = Survey::judge(&[found("7.0.15", "1", "noeviction")], &["always".into()]);
        assert_eq!(survey, Survey { keeps_all: true, waits_for_disk: false, complaints: Vec::new() });
        let waits = Survey::judge(&[found("7.2.4", "1", "volatile-lru")], &["everysec".into()]);
        assert_eq!(waits, Survey { keeps_all: false, waits_for_disk: true, complaints: Vec::new() });
        let unseen = Survey::judge(&[found("8.0.0", "1", "noeviction")], &[]);
        assert!(!unseen.keeps_all && unseen.waits_for_disk, "a service that shows no settings is not trusted");
    }

    #[test]
    fn only_who_refuses_to_show_its_settings_is_taken_for_one_that_does() {
        let refused = |line: &str| redis::parse_redis_value(line.as_bytes()).and_then(Value::extract_error);
        for line in ["-NOPERM this user has no permissions to run the 'config' command\r\n", "-ERR unknown command\r\n"]
        {
            let answers = as_far_as_allowed(refused(line).map(|value| vec![value]));
            assert_eq!(answers.unwrap(), [], "{line}");
        }
        as_far_as_allowed(refused("-LOADING Redis is loading the dataset in memory\r\n").map(|_| vec![])).unwrap_err();
        as_far_as_allowed(Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())).unwrap_err();
        as_far_as_allowed(Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())).unwrap_err();
    }

    #[test]
    fn what_may_lose_events_is_complained_about() {
        let all = |primaries: &[HashMap<_, _>], syncs: &[String]| Survey::judge(primaries, syncs).complaints.join(" ");
        assert!(all(&[found("7.0.15", "0", "noeviction")], &["always".into()]).contains("appendonly yes"));
        assert!(all(&[found("7.0.15", "1", "noeviction")], &["everysec".into()]).contains("appendfsync always"));
        assert!(all(&[found("7.0.15", "1", "allkeys-lru")], &["always".into()]).contains("set noeviction"));
        let cluster = [found("7.2.0", "1", "noeviction"), found("7.2.0", "0", "noeviction")];
        assert!(all(&cluster, &["always".into(), "always".into()]).contains("appendonly yes"), "one is enough");
    }
}
