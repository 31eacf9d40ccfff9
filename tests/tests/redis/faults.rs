//! Servers that would lose something, and servers that refuse.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use sandbox_core::port::{PortError, Store};
use sandbox_elf::store::redis::{
    RedisLedger,
    link::{Link, LinkError, RedisSettings},
};
use sandbox_operator::store::redis::RedisStore;
use sandbox_tests::{
    contract::{
        memory::{World, ledger},
        store::{self, a_job},
        store_edges, store_line,
    },
    redis::RedisServer,
};

const KEEPS: [&str; 2] = ["--appendonly yes", "--appendfsync always"];

async fn refusal(options: &[&str]) -> String {
    let server = RedisServer::with(options).await.unwrap();
    said(&server.settings()).await
}

async fn said(settings: &RedisSettings) -> String {
    match Link::open(settings).await {
        Err(LinkError::Refused(text)) => text,
        Err(LinkError::Unknown(text)) => panic!("not a refusal: {text}"),
        Ok(_) => panic!("it was taken for fit"),
    }
}

#[tokio::test]
async fn a_server_that_would_lose_records_is_refused_with_the_remedy() {
    let [aof, always] = KEEPS;
    assert!(refusal(&[]).await.contains("appendonly yes"));
    let often = refusal(&[aof, "--appendfsync everysec"]).await;
    assert!(often.contains("appendfsync always"), "{often}");
    let evicts = refusal(&[aof, always, "--maxmemory-policy allkeys-lru"]).await;
    assert!(evicts.contains("noeviction"), "{evicts}");
}

#[tokio::test]
async fn a_replica_is_refused_and_one_that_became_a_replica_refuses_writes() {
    let first = RedisServer::with(&["--appendonly yes", "--appendfsync always"])
        .await
        .unwrap();
    let store = first.store().await.unwrap();
    let (host, port) = ("127.0.0.1", "1");
    assert_eq!(first.say(&["REPLICAOF", host, port]).unwrap(), "OK");
    let told = store.create(a_job("a", "one"), None).await;
    assert!(
        matches!(&told, Err(PortError::Refused(failure)) if failure.message.contains("read-only replica")),
        "{told:?}"
    );
    assert!(said(&first.settings()).await.contains("primary"));
    assert_eq!(first.say(&["REPLICAOF", "NO", "ONE"]).unwrap(), "OK");
    store.create(a_job("a", "one"), None).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let [aof, always] = KEEPS;
    let server = RedisServer::with(&[aof, always]).await.unwrap();
    server
        .say(&["CONFIG", "SET", "requirepass", "right-one"])
        .unwrap();
    let with = |password: &str| RedisSettings {
        password: Some(password.to_owned()),
        ..server.settings()
    };
    let text = said(&with("hunter2-wrong")).await;
    assert!(
        text.contains("password") && !text.contains("hunter2"),
        "{text}"
    );
    Link::open(&with("right-one")).await.unwrap();
    let text = said(&RedisSettings {
        url: "redis://me:hunter2@:::/".to_owned(),
        ..RedisSettings::default()
    })
    .await;
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_server_that_cannot_read_its_own_file_back_is_refused_where_its_users_may_be_asked() {
    let server = RedisServer::start().await.unwrap();
    Link::open(&server.settings()).await.unwrap();
    let me = "ACL SETUSER me on >secret-of-me ~* &* +@all";
    let me: Vec<&str> = me.split(' ').collect();
    assert_eq!(server.say(&me).unwrap(), "OK");
    let none = ["ACL", "SETUSER", "default", "-@all"];
    assert_eq!(server.say(&none).unwrap(), "OK");
    let socket = server.socket();
    let text = said(&RedisSettings {
        url: format!("unix://{}?user=me&pass=secret-of-me", socket.display()),
        ..server.settings()
    })
    .await;
    assert!(
        text.contains("`default`") && text.contains("~* +@all"),
        "{text}"
    );
}

#[tokio::test]
async fn where_nothing_listens_the_refusal_says_what_was_seen() {
    let mut server = RedisServer::start().await.unwrap();
    server.kill().unwrap();
    match Link::open(&server.settings()).await {
        Err(LinkError::Unknown(text)) => {
            assert!(text.contains("Connection refused"), "{text}");
        }
        Err(LinkError::Refused(text)) => panic!("it may come back: {text}"),
        Ok(_) => panic!("nothing listens there"),
    }
}

/// The rights that `docs/redis.md` names are enough, and fewer are told from a fault.
#[tokio::test]
async fn a_user_with_the_documented_rights_can_do_everything() {
    let page = include_str!("../../../docs/redis.md");
    let rule = page.lines().find(|l| l.starts_with("ACL SETUSER")).unwrap();
    let server = RedisServer::start().await.unwrap();
    let words: Vec<&str> = rule.split_whitespace().collect();
    assert_eq!(server.say(&words).unwrap(), "OK");
    let settings = RedisSettings {
        url: format!(
            "unix://{}?user=sandbox&pass=PASSWORD",
            server.socket().display()
        ),
        prefix: "sandbox".to_owned(),
        ..RedisSettings::default()
    };
    let link = Link::open(&settings).await.unwrap();
    let store = Arc::new(RedisStore::new(link.clone()));
    store::a_reader_of_events_misses_none(store.clone()).await;
    let anew = || server.say(&["FLUSHALL"]).unwrap();
    anew();
    store::two_planners_never_both_take_the_last_slot(store.clone()).await;
    anew();
    store_edges::what_a_removed_job_had_is_free_again(store.clone()).await;
    anew();
    Box::pin(store_line::those_that_wait_count_with_what_they_want(store)).await;
    ledger::story(&World::new(Arc::new(RedisLedger::new(link)))).await;
    let elsewhere = RedisSettings {
        prefix: "other".to_owned(),
        ..settings
    };
    let text = said(&elsewhere).await;
    assert!(
        text.contains("{other}") && text.contains("docs/redis.md"),
        "{text}"
    );
}

#[tokio::test]
async fn a_full_server_refuses_and_loses_nothing_and_goes_on_when_there_is_room() {
    let server = RedisServer::start().await.unwrap();
    let store = server.store().await.unwrap();
    let first = a_job("a", "first");
    store.create(first.clone(), None).await.unwrap();
    server.say(&["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
    let told = store.create(a_job("a", "second"), Some("k")).await;
    assert!(
        matches!(&told, Err(PortError::Refused(failure)) if failure.message.contains("full")),
        "{told:?}"
    );
    let kept = store.load(&first.uid().unwrap()).await.unwrap();
    assert!(kept.is_some());
    server.say(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    store.create(a_job("a", "second"), Some("k")).await.unwrap();
}

/// A certificate of `localhost` and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    (cert, key)
}

#[tokio::test]
async fn over_tls_only_a_server_with_the_right_certificate_is_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(folder.path());
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = [
        "--appendonly yes".to_owned(),
        "--appendfsync always".to_owned(),
        format!("--tls-port {port}"),
        "--tls-auth-clients no".to_owned(),
        format!("--tls-cert-file {}", cert.display()),
        format!("--tls-key-file {}", key.display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let _server = RedisServer::with(&options).await.unwrap();
    let settings = RedisSettings {
        url: format!("rediss://localhost:{port}"),
        ca: Some(std::fs::read(&cert).unwrap()),
        prefix: "test".to_owned(),
        ..RedisSettings::default()
    };
    let store = RedisStore::new(Link::open(&settings).await.unwrap());
    store.create(a_job("a", "one"), None).await.unwrap();
    let stranger = RedisSettings {
        ca: None,
        ..settings
    };
    assert!(Link::open(&stranger).await.is_err());
}
