//! The service of compose/docker-compose.yml on a real engine: what people do with it on their first
//! day, and what must not be possible.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod stack;

use std::{fs, path::Path, process::Command};

use reqwest::Method;
use sandbox_tests::model_server::{ModelServer, Script};
use serde_json::json;
use stack::Stack;

#[tokio::test]
async fn a_first_start_makes_a_key_and_runs_an_echo_in_a_container_beside_it() {
    let stack = Stack::up(&[]).await;
    let (key, again) = (stack.key(), stack.key());
    assert_eq!((key.len(), &key), (67, &again));
    let mode = stack.exec(&["stat", "-c", "%a %u", "/data/api-key"]);
    assert_eq!(mode, "600 10001");
    let id = stack.submit("echo", json!({"message": "hello"})).await;
    let job = stack.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    assert_eq!(job["backend_ref"]["kind"], "container", "{job:#}");
    assert_eq!(stack.starts(&id), 1);
    let typed = ["sandbox", "submit", "echo", "-s", "message=hi", "--wait"];
    assert!(stack.exec(&typed).contains("Succeeded"));
    let logs = stack.compose(&["logs", "--no-color"]);
    assert!(!logs.contains(&key), "{logs}");
}

#[tokio::test]
async fn nobody_comes_in_from_outside_or_without_a_key() {
    let stack = Stack::up(&[]).await;
    let send = async |key| stack.send(Method::GET, "/jobs", key, None).await.unwrap().0;
    assert_eq!(send(None).await, 401);
    assert_eq!(send(Some("sk-wrong")).await, 403);
    assert_eq!(send(Some(&stack.key())).await, 200);
    let ports = stack.inspect("control")["NetworkSettings"]["Ports"].clone();
    let published = ports
        .as_object()
        .unwrap()
        .values()
        .filter_map(|p| p.as_array());
    let hosts: Vec<_> = published.flatten().map(|p| p["HostIp"].clone()).collect();
    assert_eq!(hosts, [json!("127.0.0.1")]);
    for service in ["control", "gate", "redis"] {
        let host = stack.inspect(service)["HostConfig"].clone();
        assert_eq!(host["CapDrop"], json!(["ALL"]), "{service}");
        assert_eq!(
            (&host["Privileged"], &host["ReadonlyRootfs"]),
            (&json!(false), &json!(true))
        );
    }
    assert_eq!(stack.inspect("control")["Config"]["User"], "10001:10001");
    let redis = stack.inspect("redis")["NetworkSettings"]["Networks"].clone();
    assert_eq!(
        redis.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["none"]
    );
}

#[tokio::test]
async fn the_service_is_told_healthy_by_the_engine() {
    let stack = Stack::up(&[]).await;
    for service in ["gate", "control", "redis"] {
        let container = stack.container(service);
        let status = ["inspect", "-f", "{{.State.Health.Status}}", &container];
        // `docker events` would miss what was before; its own waiting is what `inspect` shows.
        while stack.engine.done(&status) == "starting" {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(stack.engine.done(&status), "healthy", "{service}");
    }
}

#[tokio::test]
async fn a_job_goes_on_while_the_service_is_down_and_nothing_is_lost() {
    let stack = Stack::up(&[]).await;
    let before = stack.submit("echo", json!({"message": "before"})).await;
    stack.ended(&before).await;
    let id = stack
        .submit("echo", json!({"message": "x", "delay": 8}))
        .await;
    stack.until(&id, |job| job["status"] == "RUNNING").await;
    let key = stack.key();
    stack.compose(&["down"]);
    let name = format!("aj-{id}-1");
    let runs = ["inspect", "-f", "{{.State.Running}}", &name];
    assert_eq!(stack.engine.done(&runs), "true");
    stack.start().await;
    assert_eq!(stack.key(), key);
    let job = stack.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    assert_eq!((stack.starts(&id), &job["attempt"]), (1, &json!(1)));
    assert_eq!(stack.ended(&before).await["outcome"], "Succeeded");
}

#[tokio::test]
async fn redis_killed_in_the_middle_of_work_loses_nothing_and_starts_nothing_twice() {
    let stack = Stack::up(&[]).await;
    let submit = async |n: u32| {
        let payload = json!({"message": n.to_string(), "delay": 8});
        stack.submit("echo", payload).await
    };
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(submit(n).await);
    }
    // The last: on a slow machine the first may be over when all are submitted.
    stack.until(&ids[3], |job| job["status"] == "RUNNING").await;
    stack.compose(&["kill", "-s", "KILL", "redis"]);
    stack.compose(&["up", "-d", "--no-build"]);
    ids.push(submit(4).await);
    for id in &ids {
        let job = stack.ended(id).await;
        assert_eq!(job["outcome"], "Succeeded", "{job:#}");
        assert_eq!(
            (stack.starts(id), &job["attempt"]),
            (1, &json!(1)),
            "{job:#}"
        );
    }
}

/// Two agents that each commit a file.
const SCENARIO: &str = "\
- when: {agent: '1'}
  steps:
    - write: {path: first, content: 'by the first'}
    - bash: git add -A && git commit -q -m 'Add the first file'
    - say: Done.
- steps:
    - write: {path: second, content: 'by the second'}
    - bash: git add -A && git commit -q -m 'Add the second file'
    - say: Done.
";

#[tokio::test]
async fn a_farm_of_two_scripted_agents_lands_its_commits_in_a_folder_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = folder.path().join("default");
    fs::create_dir_all(tenant.join("repo")).unwrap();
    fs::write(tenant.join("scenario.yaml"), SCENARIO).unwrap();
    sh(
        &tenant.join("repo"),
        "git init -q -b main . && echo one >a && git add a \
         && git -c user.name=t -c user.email=t@t.invalid commit -q -m First && chown -R 10001:10001 ..",
    );
    let agent = "env SCRIPTED_AGENT_SCENARIO=/workspace/default/scenario.yaml scripted-agent";
    let stack = Stack::up(&[
        ("WORKSPACE_DIR", folder.path().to_str().unwrap()),
        ("SANDBOX_AGENT_COMMAND", agent),
    ])
    .await;
    // As users of the Python ancestor named it.
    let farm = json!({"task": "Add files.", "agents": 2, "path": "/workspace/repo"});
    let id = stack.submit("agent_farm", farm).await;
    let job = stack.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    let said = sh(
        &tenant.join("repo"),
        "git -c safe.directory='*' log --all --format=%s",
    );
    for commit in ["Add the first file", "Add the second file"] {
        assert!(said.contains(commit), "{said}");
    }
}

fn sh(folder: &Path, script: &str) -> String {
    let done = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{script}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test]
async fn with_a_model_key_a_chat_is_answered_and_without_one_it_names_the_setting() {
    let script = Script::parse("- reply: {text: \"Hello from the model.\"}").unwrap();
    let model = ModelServer::start(script).await.unwrap();
    let url = reachable(&model.base_url()).await;
    let stack = Stack::up(&[
        ("ANTHROPIC_API_KEY", "sk-dummy"),
        ("ANTHROPIC_BASE_URL", &url),
        ("SANDBOX_CONTAINER_HOSTS", url.trim_start_matches("http://")),
    ])
    .await;
    let id = stack
        .submit("claude_chat", json!({"prompt": "hello"}))
        .await;
    let job = stack.ended(&id).await;
    assert_eq!(job["outcome"], "Succeeded", "{job:#}");
    assert!(
        job["result"].to_string().contains("Hello from the model."),
        "{job:#}"
    );
    let keyless = Stack::up(&[]).await;
    let id = keyless
        .submit("claude_chat", json!({"prompt": "hello"}))
        .await;
    let job = keyless.ended(&id).await;
    assert!(job.to_string().contains("ANTHROPIC_API_KEY"), "{job:#}");
}

/// A way to a server on this machine's loopback, by an address that containers reach too.
async fn reachable(url: &str) -> String {
    let inner = url.trim_start_matches("http://").to_owned();
    let outer = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = outer.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = outer.accept().await {
            let mut far = tokio::net::TcpStream::connect(&inner).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let routed = socket
        .connect("192.0.2.77:9")
        .and_then(|()| socket.local_addr());
    format!("http://{}:{port}", routed.unwrap().ip())
}

#[tokio::test]
async fn the_gate_gives_the_server_no_power_over_the_machine() {
    let stack = Stack::up(&[]).await;
    let through = format!(
        "unix://{}",
        stack.volume("engine").join("docker.sock").display()
    );
    let other = stack.container("gate");
    let image = stack.engine.operator();
    for words in [
        &["run", "--rm", "--privileged", image][..],
        &["run", "--rm", "-v", "/:/machine", image],
        &[
            "run",
            "--rm",
            "--name",
            "aj-x-1",
            "-l",
            "dev.multiagent.seat=x/1",
            image,
        ],
        &["exec", &other, "sandbox", "--version"],
        &["rm", "-f", &other],
        &["kill", &other],
        &["cp", &format!("{other}:/etc/passwd"), "-"],
        &["logs", &other],
        &["volume", "ls"],
        &["image", "rm", image],
    ] {
        let done = Command::new("docker")
            .args(words)
            .env("DOCKER_HOST", &through)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            !done.status.success() && said.contains("the gate"),
            "{words:?}: {said}"
        );
    }
    let shown = Command::new("docker")
        .args(["inspect", &other])
        .env("DOCKER_HOST", &through)
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("docker.sock"));
    assert_eq!(stack.inspect("gate")["State"]["Running"], true);
}

#[tokio::test]
async fn taking_it_down_with_its_volumes_leaves_nothing() {
    let stack = Stack::up(&[]).await;
    let id = stack.submit("echo", json!({"message": "hello"})).await;
    stack.ended(&id).await;
    stack.compose(&["down", "-v"]);
    let mine = format!("label=com.docker.compose.project={}", stack.project);
    for words in [
        &["ps", "-aq"][..],
        &["volume", "ls", "-q"],
        &["network", "ls", "-q"],
    ] {
        let left = [words, &["--filter", &mine]].concat();
        assert_eq!(stack.engine.done(&left), "", "{words:?}");
    }
    let seats = ["ps", "-aq", "--filter", &format!("name=aj-{id}")];
    assert_eq!(stack.engine.done(&seats), "");
}
