//! A whole service of compose/docker-compose.yml on a real engine, under a name of its own. All of it
//! goes with the test, also when the test fails.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use reqwest::Method;
use sandbox_tests::engine::{Engine, root};
use serde_json::{Value, json};

/// The longest a test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Stack {
    pub engine: &'static Engine,
    /// The name that compose puts before everything.
    pub project: String,
    env: Vec<(String, String)>,
    url: String,
    client: reqwest::Client,
}

impl Stack {
    /// The service, up and answering.
    pub async fn up(env: &[(&str, &str)]) -> Self {
        let engine = Engine::shared();
        engine.operator();
        let socket = engine.host.trim_start_matches("unix://").to_owned();
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        let port = free.unwrap().port().to_string();
        let own = [
            ("DOCKER_SOCKET", socket.as_str()),
            ("PORT", port.as_str()),
            ("SANDBOX_REDIS_IMAGE", engine.redis()),
        ];
        let env = own.iter().chain(env);
        let stack = Self {
            engine,
            project: format!("t{}", uuid::Uuid::new_v4().simple()),
            env: env
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            url: format!("http://127.0.0.1:{port}"),
            client: reqwest::Client::new(),
        };
        stack.start().await;
        stack
    }

    /// Brings it up and waits until it answers.
    pub async fn start(&self) {
        self.compose(&["up", "-d", "--no-build"]);
        let from = Instant::now();
        while !matches!(
            self.send(Method::GET, "/health", None, None).await,
            Some((200, _))
        ) {
            assert!(from.elapsed() < PATIENCE, "never answered: {}", self.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs compose with these words; it must succeed. Gives what it prints.
    pub fn compose(&self, words: &[&str]) -> String {
        let done = self.asked(words);
        assert!(
            done.status.success(),
            "compose {words:?}: {done:?}\n{}",
            self.said()
        );
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    fn asked(&self, words: &[&str]) -> Output {
        let plugin = Command::new("docker").args(["compose", "version"]).output();
        let is_plugin = plugin.is_ok_and(|o| o.status.success());
        let mut compose = self.engine.command(if is_plugin {
            "docker"
        } else {
            "docker-compose"
        });
        if is_plugin {
            compose.arg("compose");
        }
        let file = root().join("compose/docker-compose.yml");
        compose
            .args(["-p", &self.project, "-f"])
            .arg(file)
            .args(words);
        compose
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .output()
            .unwrap()
    }

    /// Runs a command in the server's container.
    pub fn exec(&self, words: &[&str]) -> String {
        self.compose(&[&["exec", "-T", "control"][..], words].concat())
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.asked(&["logs", "--no-color"]).stdout).into_owned()
    }

    /// The container of a service.
    pub fn container(&self, service: &str) -> String {
        self.compose(&["ps", "-q", service])
    }

    /// What the engine knows of a service's container.
    pub fn inspect(&self, service: &str) -> Value {
        let text = self.engine.done(&["inspect", &self.container(service)]);
        serde_json::from_str::<Value>(&text).unwrap()[0].clone()
    }

    /// Where a volume stands on the engine's machine.
    pub fn volume(&self, name: &str) -> PathBuf {
        let name = format!("{}_{name}", self.project);
        let at = ["volume", "inspect", "-f", "{{.Mountpoint}}", &name];
        self.engine.done(&at).into()
    }

    /// The key that was made at the first start.
    pub fn key(&self) -> String {
        self.exec(&["cat", "/data/api-key"])
    }

    /// Asks the service with this key; nothing when nobody answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> Option<(u16, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.unwrap_or_default()))
    }

    /// Submits a job in the old API's words and gives its id.
    pub async fn submit(&self, job_type: &str, payload: Value) -> String {
        let body = json!({"job_type": job_type, "payload": payload});
        let answer = self
            .send(Method::POST, "/jobs", Some(&self.key()), Some(body))
            .await;
        let (status, job) = answer.unwrap();
        assert_eq!(status, 200, "{job}");
        job["job_id"].as_str().unwrap().to_owned()
    }

    /// Waits until the job's record is as wanted.
    pub async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let (key, from) = (self.key(), Instant::now());
        loop {
            let path = format!("/jobs/{id}");
            let (_, job) = self
                .send(Method::GET, &path, Some(&key), None)
                .await
                .unwrap_or_default();
            if wanted(&job) {
                return job;
            }
            assert!(
                from.elapsed() < PATIENCE,
                "never as wanted: {job:#}\n{}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the end of the job.
    pub async fn ended(&self, id: &str) -> Value {
        self.until(id, |job| job["outcome"].is_string()).await
    }

    /// How often the echo job began, by what it wrote itself.
    pub fn starts(&self, id: &str) -> usize {
        let path = format!("/data/artifacts/default/{id}/echo.log");
        self.exec(&["cat", &path]).lines().count()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.asked(&["down", "-v", "--remove-orphans", "-t", "1"]);
    }
}
