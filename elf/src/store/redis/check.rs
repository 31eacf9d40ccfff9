//! Whether a Redis server keeps what it acknowledges, and lets us do all that we need to.

use redis::Script;

use super::link::{Link, LinkError, RedisSettings};

/// The oldest release whose scripts are refused as a whole when the memory is full.
const OLDEST: u32 = 7;

/// Rights that a refusal names.
const NAMED: usize = 8;

/// One key of each kind, with signs in the place of uids, tenants and pools. `docs/redis.md` says what
/// they are, and a test that all of them are here.
const KEYS: &[&str] = &[
    "nodes",
    "node:x",
    "gone:x",
    "jobs",
    "jobs:job:x",
    "jobs:jobs",
    "jobs:jobs-of:x",
    "jobs:open",
    "jobs:names",
    "jobs:keys",
    "jobs:waiting:x",
    "jobs:waiting-many:x",
    "jobs:held:x",
    "jobs:pools",
    "jobs:seq",
    "jobs:events",
    "jobs:events-of:x",
    "elf:x",
    "elf:x:head",
    "elf:x:log",
    "elf:x:rule",
    "elf:x:trail",
    "elf:x:job",
    "elf:x:plan",
    "elf:x:receipt",
    "elf:x:outcome",
    "elf:x:postmortem",
    "elf:x:secret",
    "elf:x:rule:by-place",
];

/// Refuses a server that would lose something, and a user who could not do everything.
///
/// # Errors
/// `Refused` with what to change, or it cannot be asked.
pub(super) async fn server(link: &Link, settings: &RedisSettings) -> Result<(), LinkError> {
    let info: String = link
        .ask("asked Redis who it is", &redis::cmd("INFO"))
        .await?;
    // Without the right to ask, what INFO says has to do.
    let mut synced = redis::cmd("CONFIG");
    synced.arg("GET").arg("appendfsync");
    let synced: Option<Vec<String>> = link.ask("asked Redis when it syncs", &synced).await.ok();
    let synced = synced.and_then(|pair| pair.into_iter().nth(1));
    if synced.is_none() {
        tracing::warn!("Redis does not tell its appendfsync; see to it that it is `always`");
    }
    let told = Told {
        info: &info,
        synced: synced.as_deref(),
    };
    if let Some(fault) = told.fault(settings.may_lose_a_second) {
        return Err(LinkError::Refused(format!("checked Redis: {fault}")));
    }
    reader(link).await?;
    rights(link).await
}

/// Refuses a server that could not read its own file back: Redis 7.0.15 does so in the name of `default`, and
/// drops the changes of scripts that this user could not make. Without the right to ask, nothing is said.
async fn reader(link: &Link) -> Result<(), LinkError> {
    let mut users = redis::cmd("ACL");
    users.arg("LIST");
    let users: Option<Vec<String>> = link.ask("asked Redis for its users", &users).await.ok();
    if users.is_none_or(|users| may_read_back(&users)) {
        return Ok(());
    }
    Err(LinkError::Refused(
        "checked Redis: its user `default` has not all rights, and a restart may drop what scripts wrote; give that user a password and `~* +@all`"
            .to_owned(),
    ))
}

/// Whether `default` may do on every key what a script may: as `ACL LIST` tells it.
fn may_read_back(users: &[String]) -> bool {
    let default = users.iter().find(|u| u.starts_with("user default "));
    let has = |word| default.is_some_and(|u| u.split_whitespace().any(|w| w == word));
    has("~*") && has("+@all")
}

/// Refuses a user who lacks a command or a key: a script that is stopped in its middle leaves half of
/// what it was to write.
async fn rights(link: &Link) -> Result<(), LinkError> {
    let script = Script::new(include_str!("rights.lua"));
    let mut call = script.prepare_invoke();
    for key in KEYS {
        call.arg(link.key(key));
    }
    let lacking: Vec<String> = link.invoke("asked Redis for our rights", &call).await?;
    if lacking.is_empty() {
        return Ok(());
    }
    let named = &lacking[..lacking.len().min(NAMED)];
    let more = match lacking.len() - named.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Err(LinkError::Refused(format!(
        "checked Redis: its user lacks {}{more}; give it the rights that docs/redis.md names",
        named.join(", ")
    )))
}

/// What a server says of itself.
struct Told<'a> {
    info: &'a str,
    synced: Option<&'a str>,
}

impl Told<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        let pairs = self.info.lines().filter_map(|line| line.split_once(':'));
        let mut found = pairs.filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| value.trim())
    }

    /// Why it is not fit, and what to do.
    fn fault(&self, may_lose_a_second: bool) -> Option<String> {
        let version = self.field("redis_version").unwrap_or("unknown");
        let major = version
            .split('.')
            .next()
            .and_then(|n| n.parse::<u32>().ok());
        if major.is_none_or(|n| n < OLDEST) {
            return Some(format!(
                "its version is {version}; {OLDEST}.0 or newer is needed"
            ));
        }
        if self.field("role").is_some_and(|role| role != "master") {
            return Some(
                "it is a read-only replica; point SANDBOX_STORE at the primary".to_owned(),
            );
        }
        let policy = self.field("maxmemory_policy").unwrap_or("unknown");
        if policy != "noeviction" {
            return Some(format!(
                "its maxmemory-policy is {policy}, which throws records away when memory is full; set it to noeviction"
            ));
        }
        if self.field("aof_enabled") != Some("1") {
            return Some(
                "it keeps no append-only file, so a restart loses what it acknowledged; set `appendonly yes`"
                    .to_owned(),
            );
        }
        let lost = self
            .synced
            .filter(|s| *s != "always" && !(may_lose_a_second && *s == "everysec"));
        lost.map(|seen| {
            format!(
                "its appendfsync is {seen}, so a crash loses what it acknowledged last; set `appendfsync always`, or accept the loss of a second with everysec and SANDBOX_REDIS_MAY_LOSE_A_SECOND=true"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: &str =
        "redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";

    fn fault(info: &str, synced: Option<&str>, may_lose: bool) -> Option<String> {
        Told { info, synced }.fault(may_lose)
    }

    #[test]
    fn a_server_whose_default_user_has_not_all_rights_cannot_read_its_file_back() {
        let with = |default: &str| may_read_back(&[format!("user default {default}")]);
        assert!(with("on nopass sanitize-payload ~* &* +@all"));
        assert!(with("off sanitize-payload ~* &* +@all"));
        assert!(!with("off sanitize-payload resetchannels -@all"));
        assert!(!with("on nopass ~other:* &* +@all"));
        assert!(!may_read_back(&[]));
    }

    #[test]
    fn a_server_that_keeps_everything_is_fit() {
        assert_eq!(fault(FIT, Some("always"), false), None);
        assert_eq!(fault(FIT, None, false), None);
        assert_eq!(fault(FIT, Some("everysec"), true), None);
    }

    #[test]
    fn each_way_to_lose_something_is_named_with_its_remedy() {
        for (from, to, word) in [
            ("7.0.15", "6.2.1", "7.0 or newer"),
            ("master", "slave", "primary"),
            ("noeviction", "allkeys-lru", "noeviction"),
            ("aof_enabled:1", "aof_enabled:0", "appendonly yes"),
        ] {
            let said = fault(&FIT.replace(from, to), Some("always"), false).unwrap_or_default();
            assert!(said.contains(word), "{said}");
        }
        for synced in ["everysec", "no"] {
            let said = fault(FIT, Some(synced), false).unwrap_or_default();
            assert!(said.contains("appendfsync always"), "{said}");
        }
        assert!(fault(FIT, Some("no"), true).is_some());
    }
}
