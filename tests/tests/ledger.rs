//! Memory's ledger served by the real program over TLS, to several nodes, with faults on the way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::{fs, process::Command, sync::Arc};

use rustix::process::Signal;
use sandbox_core::port::Memory;
use sandbox_elf::{
    Elf,
    store::{Ledger, LedgerError},
};
use sandbox_operator::ledger::{RemoteLedger, RemoteSettings, Serving, serve};
use sandbox_tests::{
    contract::memory::{about, seat, success, tenant},
    ledger::{
        LedgerServer, TOKEN,
        program::{Served, folder},
    },
    node::built,
};

const LESSON: &str = "[LEARNED:db] Run migrations before the deploy";

fn elf(settings: RemoteSettings) -> Elf {
    Elf::new(Arc::new(RemoteLedger::new(settings).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_learns_stands_in_the_prompt_of_another() {
    let folder = folder();
    let served = Served::at(folder.path(), "127.0.0.1:0");
    let settings = served.settings(folder.path());
    let (one, other) = (elf(settings.clone()), elf(settings));
    one.record(&seat(1, 1), &success(&[LESSON])).await.unwrap();
    let given = other
        .recall(&seat(2, 1), &tenant("a"), &about("deploy"))
        .await;
    assert_eq!(given.unwrap().injected.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_the_program_was_killed_and_nodes_go_on() {
    let folder = folder();
    let mut served = Served::at(folder.path(), "127.0.0.1:0");
    let node = elf(served.settings(folder.path()));
    node.record(&seat(1, 1), &success(&[LESSON])).await.unwrap();
    served.end(Signal::KILL);
    let silent = node.record(&seat(2, 1), &success(&[LESSON])).await;
    let text = silent.unwrap_err().to_string();
    let address = served.address().to_owned();
    assert!(text.contains(&address), "{text}");
    let _again = Served::at(folder.path(), &address);
    node.record(&seat(2, 1), &success(&[LESSON])).await.unwrap();
    let stats = node.stats(&tenant("a")).await.unwrap();
    assert_eq!(stats.total_outcomes, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_told_to_stop_ends_in_good_order_although_nodes_are_connected() {
    let folder = folder();
    let mut served = Served::at(folder.path(), "127.0.0.1:0");
    let node = elf(served.settings(folder.path()));
    assert_eq!(served.probe().await.unwrap(), "ok");
    node.record(&seat(1, 1), &success(&[LESSON])).await.unwrap();
    let ended = served.end(Signal::TERM);
    assert!(ended.success(), "{ended}");
    assert!(served.probe().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_at_once_keep_everything_in_one_order() {
    let server = LedgerServer::start().unwrap();
    let nodes: Vec<Elf> = (0..4).map(|_| elf(server.settings())).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (at, node) in (0_u32..).zip(nodes.clone()) {
        tasks.spawn(async move {
            for job in 0..25 {
                let seat = seat(at * 100 + job, 1);
                while let Err(e) = node.record(&seat, &success(&[LESSON])).await {
                    assert!(e.to_string().contains("somebody else wrote first"), "{e}");
                }
            }
        });
    }
    tasks.join_all().await;
    for node in nodes {
        assert_eq!(node.stats(&tenant("a")).await.unwrap().total_outcomes, 100);
    }
}

#[tokio::test]
async fn whoever_has_another_token_reads_and_writes_nothing() {
    let server = LedgerServer::start().unwrap();
    let settings = RemoteSettings {
        token: "another token".into(),
        ..server.settings()
    };
    let stranger = RemoteLedger::new(settings).unwrap();
    let told = stranger.log(&tenant("a"), 0, 1).await.unwrap_err();
    assert!(told.to_string().contains("401"), "{told}");
    let none = sandbox_elf::store::Commit::default();
    let told = stranger.append(&tenant("a"), none).await.unwrap_err();
    assert!(matches!(told, LedgerError::Unavailable(_)), "{told}");
    let bare = reqwest::Client::new().post(format!("{}/v1/ledger/snapshot", server.settings().url));
    assert_eq!(bare.json("a").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_certificate_that_is_not_the_named_one_is_not_believed() {
    let (one, other) = (folder(), folder());
    let served = Served::at(one.path(), "127.0.0.1:0");
    let ledger = RemoteLedger::new(served.settings(other.path())).unwrap();
    let told = ledger.log(&tenant("a"), 0, 1).await.unwrap_err();
    assert!(told.to_string().contains("certificate"), "{told}");
}

#[tokio::test]
async fn memory_is_not_served_to_others_without_tls_nor_with_a_short_token() {
    let folder = folder();
    let run = |listen: &str| {
        let seen = Command::new(built("sandbox"))
            .args(["ledger", "--listen", listen, "--file"])
            .arg(folder.path().join("elf.db"))
            .arg("--token-file")
            .arg(folder.path().join("token"))
            .output()
            .unwrap();
        assert!(!seen.status.success());
        String::from_utf8(seen.stderr).unwrap()
    };
    let text = run("0.0.0.0:0");
    assert!(text.contains("without TLS"), "{text}");
    fs::write(folder.path().join("token"), "short").unwrap();
    let text = run("127.0.0.1:0");
    assert!(text.contains("it has 5 characters"), "{text}");
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_an_unreadable_ledger_says_so() {
    let server = LedgerServer::start().unwrap();
    let ask = |path: &str, body: &'static str| {
        let url = format!("{}/v1/ledger/{path}", server.settings().url);
        let asked = reqwest::Client::new().post(url).bearer_auth(TOKEN);
        asked
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    for (path, body) in [
        ("append", "{}"),
        (
            "append",
            r#"[{"tenant": "../x", "commit": {"expected": 0, "rows": [], "puts": []}}]"#,
        ),
        ("log", r#"{"tenant": "a", "place": -1, "limit": 1}"#),
        ("snapshot", "\"A tenant\""),
        ("item", "nonsense"),
    ] {
        let status = ask(path, body).await.unwrap().status();
        assert!(status.is_client_error(), "{path}: {status}");
    }
    let loopback = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", loopback.local_addr().unwrap());
    let serving = Serving {
        listener: loopback,
        token: TOKEN.into(),
        tls: None,
    };
    tokio::spawn(serve(Arc::new(Broken), serving, std::future::pending()));
    let settings = RemoteSettings {
        url,
        ..server.settings()
    };
    let ledger = RemoteLedger::new(settings).unwrap();
    let told = ledger.snapshot(&tenant("a")).await.unwrap_err();
    assert_eq!(told, LedgerError::Unreadable("it is damaged".to_owned()));
}

/// A ledger that cannot be read.
struct Broken;

#[async_trait::async_trait]
impl Ledger for Broken {
    fn append(
        &self,
        _: &sandbox_core::Tenant,
        _: sandbox_elf::store::Commit,
    ) -> sandbox_elf::store::Appending {
        Box::pin(std::future::ready(Err(damaged())))
    }

    async fn log(
        &self,
        _: &sandbox_core::Tenant,
        _: u64,
        _: u32,
    ) -> sandbox_elf::store::Kept<Vec<sandbox_elf::entry::Row>> {
        Err(damaged())
    }

    async fn snapshot(
        &self,
        _: &sandbox_core::Tenant,
    ) -> sandbox_elf::store::Kept<sandbox_elf::store::Snapshot> {
        Err(damaged())
    }

    async fn item(
        &self,
        _: &sandbox_core::Tenant,
        _: sandbox_elf::store::Kind,
        _: &str,
    ) -> sandbox_elf::store::Kept<Option<sandbox_elf::store::Item>> {
        Err(damaged())
    }

    async fn items(
        &self,
        _: &sandbox_core::Tenant,
        _: sandbox_elf::store::Kind,
        _: Option<u64>,
        _: u32,
    ) -> sandbox_elf::store::Kept<Vec<sandbox_elf::store::Item>> {
        Err(damaged())
    }
}

fn damaged() -> LedgerError {
    LedgerError::Unreadable("it is damaged".to_owned())
}
