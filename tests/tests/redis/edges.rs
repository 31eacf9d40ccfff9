//! What could leave a record half written, or a node without a way on: rights that end in the middle
//! of a script, a full memory that must be emptied, a write that replicas are asked about in vain, a
//! fail-over behind one address.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use sandbox_core::port::{Change, PortError, Store, Write};
use sandbox_elf::store::redis::link::{Link, LinkError, RedisSettings};
use sandbox_operator::store::redis::RedisStore;
use sandbox_tests::{
    contract::store::{a_job, a_stored_job},
    redis::RedisServer,
};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
};

const PATIENCE: Duration = Duration::from_mins(1);

/// Every command that a script of ours calls stands in the rule of the guide.
#[test]
fn the_documented_rights_name_every_command_of_a_script() {
    let rule = rule();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut calls = 0;
    for folder in ["operator/src/store/redis", "elf/src/store/redis"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|e| e != "lua") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for call in text.split("redis.call('").skip(1) {
                let name = call.split('\'').next().unwrap().to_lowercase();
                let right = format!("+{name}");
                assert!(rule.contains(&right.as_str()), "{right}: {path:?}");
                calls += 1;
            }
        }
    }
    assert!(calls > 20, "only {calls} calls were found");
}

/// The words of the documented rule.
fn rule() -> Vec<&'static str> {
    let page = include_str!("../../../docs/redis.md");
    let rule = page.lines().find(|l| l.starts_with("ACL SETUSER")).unwrap();
    rule.split_whitespace().collect()
}

/// What the documented user is told on a server of this rule.
async fn told_to(server: &RedisServer, words: &[&str]) -> String {
    server.say(&["ACL", "DELUSER", "sandbox"]).unwrap();
    assert_eq!(server.say(words).unwrap(), "OK", "{words:?}");
    let settings = RedisSettings {
        url: format!(
            "unix://{}?user=sandbox&pass=PASSWORD",
            server.socket().display()
        ),
        prefix: "sandbox".to_owned(),
        ..RedisSettings::default()
    };
    match Link::open(&settings).await {
        Err(LinkError::Refused(text)) => text,
        Err(LinkError::Unknown(text)) => panic!("not a refusal: {text}"),
        Ok(link) => {
            let told = RedisStore::new(link).create(a_job("a", "one"), None).await;
            let keys = server.say(&["KEYS", "*"]).unwrap();
            panic!("{words:?} was taken; then {told:?}, and there stand: {keys:?}");
        }
    }
}

#[tokio::test]
async fn a_user_who_lacks_one_command_is_refused_at_the_start_and_told_which() {
    let server = RedisServer::start().await.unwrap();
    // Without the first two there is no connection, and without a script no question.
    let plain = ["+ping", "+select", "+info", "+evalsha", "+script|load"];
    let whole = rule();
    let commands = whole.iter().filter(|w| w.starts_with('+'));
    for right in commands.filter(|w| !plain.contains(w)) {
        let rest: Vec<&str> = whole.iter().copied().filter(|w| w != right).collect();
        let text = told_to(&server, &rest).await;
        let (lacks, _) = text.split_once(';').unwrap();
        assert!(lacks.ends_with(&format!("lacks {}", &right[1..])), "{text}");
    }
    for right in ["+info", "+evalsha", "+script|load"] {
        let rest: Vec<&str> = whole.iter().copied().filter(|w| *w != right).collect();
        let text = told_to(&server, &rest).await;
        assert!(text.contains("docs/redis.md"), "{text}");
    }
    assert_eq!(server.say(&["DBSIZE"]).unwrap(), "0");
}

/// Every key that the guide's table names, with a sign in the place of what varies.
fn documented_keys() -> Vec<String> {
    let page = include_str!("../../../docs/redis.md");
    let (_, table) = page.split_once("\n## The keys").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|l| l.starts_with("| `"));
    let named = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let full = named.map(|name| name.replace('…', "elf:TENANT"));
    let variable = ["UID", "TENANT", "POOL", "SITE"];
    full.map(|key| variable.iter().fold(key, |key, v| key.replace(v, "x")))
        .collect()
}

#[tokio::test]
async fn a_user_who_lacks_one_kind_of_key_is_refused_at_the_start_and_told_which() {
    let server = RedisServer::start().await.unwrap();
    let keys = documented_keys();
    assert!(keys.len() > 20, "{keys:?}");
    let whole = rule();
    for lacking in &keys {
        let others = keys.iter().filter(|k| *k != lacking);
        let patterns: Vec<String> = others.map(|k| format!("~{{sandbox}}:{k}")).collect();
        let without = whole.iter().copied().filter(|w| !w.starts_with('~'));
        let words: Vec<&str> = without.chain(patterns.iter().map(String::as_str)).collect();
        let text = told_to(&server, &words).await;
        let (lacks, _) = text.split_once(';').unwrap();
        let (_, lacks) = lacks.split_once("lacks ").unwrap();
        let named = format!("{{sandbox}}:{lacking}");
        assert_eq!(lacks, named, "{lacking}: {text}");
    }
    assert_eq!(server.say(&["DBSIZE"]).unwrap(), "0");
}

#[tokio::test]
async fn from_a_full_server_a_job_can_be_removed_as_its_refusal_advises() {
    let server = RedisServer::start().await.unwrap();
    let store = server.store().await.unwrap();
    let job = a_stored_job(&*store, "a", "one").await;
    server.say(&["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
    let told = store.create(a_job("a", "two"), None).await;
    assert!(
        matches!(&told, Err(PortError::Refused(failure)) if failure.message.contains("remove finished jobs")),
        "{told:?}"
    );
    let (uid, version) = (job.uid().unwrap(), job.version());
    let write = Write::Remove {
        uid: uid.clone(),
        version,
    };
    let change = Change {
        write,
        holds: None,
        events: Vec::new(),
    };
    assert_eq!(store.commit(change).await, Ok(job));
    assert_eq!(store.load(&uid).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_asked_about_a_write_on_its_own_connection_with_nothing_between() {
    let (first, port) = RedisServer::listening().await.unwrap();
    let replica = RedisServer::replica_of(port).await.unwrap();
    let settings = RedisSettings {
        url: format!("redis://127.0.0.1:{port}"),
        replicas: 1,
        ..first.settings()
    };
    let store = Arc::new(RedisStore::new(Link::open(&settings).await.unwrap()));
    let mut monitor = Command::new("redis-cli")
        .arg("-s")
        .arg(first.socket())
        .arg("MONITOR")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "OK");
    let writes = (0..100).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.create(a_job("a", &format!("job-{n}")), None).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap().unwrap();
    }
    first.say(&["ECHO", "that is all"]).unwrap();
    let lines = lines
        .map(Result::unwrap)
        .take_while(|l| !l.contains("that is all"));
    let (mut asked, mut unasked) = (0, BTreeSet::new());
    for line in lines.collect::<Vec<_>>() {
        let (client, said) = line.split_once("] ").unwrap();
        let client = client.split_whitespace().last().unwrap().to_owned();
        match said.split('"').nth(1).unwrap() {
            "EVALSHA" => assert!(unasked.insert(client), "{line}"),
            "WAIT" => {
                assert!(unasked.remove(&client), "{line}");
                asked += 1;
            }
            _ => {}
        }
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    assert!(asked >= 100 && unasked.is_empty(), "{asked} {unasked:?}");
    drop(replica);
}

/// An address that leads to the server of the moment, as a name or a balancer does: connections that
/// stand stay where they are.
fn address(folder: &std::path::Path, target: Arc<Mutex<PathBuf>>) -> String {
    let socket = folder.join("address.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let target = target.lock().unwrap().clone();
            tokio::spawn(async move {
                if let Ok(mut to) = UnixStream::connect(target).await {
                    // A side that hangs up ends it.
                    let _ = copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
    format!("unix://{}", socket.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_fail_over_behind_one_address_the_new_primary_is_found_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        RedisServer::start().await.unwrap(),
        RedisServer::start().await.unwrap(),
    );
    let target = Arc::new(Mutex::new(old.socket()));
    let settings = RedisSettings {
        url: address(folder.path(), Arc::clone(&target)),
        ..old.settings()
    };
    let store = RedisStore::new(Link::open(&settings).await.unwrap());
    a_stored_job(&store, "a", "before").await;
    *target.lock().unwrap() = new.socket();
    assert_eq!(old.say(&["REPLICAOF", "127.0.0.1", "1"]).unwrap(), "OK");
    let mut refusals = 0;
    let goes_on = async {
        while let Err(e) = store.create(a_job("a", "after"), Some("k")).await {
            refusals += 1;
            assert!(refusals < 50, "still: {e}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, goes_on).await.unwrap();
    assert!(refusals > 0, "the old one never refused");
}
