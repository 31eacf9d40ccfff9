//! A real container engine for tests: one of our own where we may start one, else the one that
//! answers; the runner's image in it, built of the binary of this build. Our own goes with the test's
//! process, however that ends: its keeper reads a pipe that we hold.
#![allow(
    clippy::unwrap_used,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::{images, node::built};

/// The image of container jobs in tests.
pub const IMAGE: &str = concat!("multi-agent-sandbox/runner:", env!("CARGO_PKG_VERSION"));
/// The image of the server in tests.
pub const OPERATOR: &str = concat!("multi-agent-sandbox/operator:", env!("CARGO_PKG_VERSION"));
/// The image of Redis in tests.
pub const REDIS: &str = "multi-agent-sandbox/redis-of-tests:7";
/// Says whether the shared engine is Podman (`podman`) or Docker (everything else).
const ENGINE: &str = "SANDBOX_TEST_ENGINE";
/// The longest an engine may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// An engine.
pub struct Engine {
    /// Its address.
    pub host: String,
    /// Its folder, where it is ours.
    pub folder: Option<PathBuf>,
    keeper: Option<Keeper>,
}

/// The process that ends our engine when we end.
struct Keeper {
    child: Child,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Engine {
    /// The engine that all tests of this process share, with the image in it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Engine> = OnceLock::new();
        SHARED.get_or_init(|| {
            if std::env::var_os(ENGINE).is_some_and(|e| e == "podman") {
                let engine = Self::kept("scripts/podman", tempfile::tempdir().unwrap().keep(), &[]);
                engine.build();
                return engine;
            }
            let set = std::env::var("DOCKER_HOST").ok();
            let is_set = set.is_some();
            let found = sandbox_operator::backend::container::engine_host(set.as_deref());
            let engine = match found {
                Some(host) if is_set || !may_start() => Self {
                    host,
                    folder: None,
                    keeper: None,
                },
                _ => Self::start(&[]),
            };
            engine.build();
            engine
        })
    }

    /// An engine of a test's own, with these options of `dockerd` and no image.
    pub fn start(options: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap().keep(), options)
    }

    /// As [`Engine::start`], in this folder.
    pub fn start_in(folder: PathBuf, options: &[&str]) -> Self {
        assert!(may_start(), "an engine of one's own needs root and dockerd");
        Self::kept("scripts/engine", folder, options)
    }

    fn kept(keeper: &str, folder: PathBuf, options: &[&str]) -> Self {
        let mut child = Command::new(root().join(keeper))
            .arg(&folder)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let engine = Self {
            host: format!("unix://{}", folder.join("docker.sock").display()),
            folder: Some(folder),
            keeper: Some(Keeper {
                words: child.stdin.take(),
                answers: BufReader::new(child.stdout.take().unwrap()),
                child,
            }),
        };
        engine.up();
        engine
    }

    /// Waits until it answers.
    pub fn up(&self) {
        let from = Instant::now();
        while !self.docker(&["info"]).status.success() {
            assert!(from.elapsed() < PATIENCE, "the engine never came up");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Says a word to the keeper (`kill`, `stop`, `start`) and waits until it is done.
    pub fn tell(&mut self, word: &str) {
        let keeper = self.keeper.as_mut().unwrap();
        writeln!(keeper.words.as_mut().unwrap(), "{word}").unwrap();
        let mut answer = String::new();
        keeper.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), word);
    }

    /// What `docker` with these words says of this engine.
    pub fn docker(&self, words: &[&str]) -> Output {
        self.command("docker").args(words).output().unwrap()
    }

    /// What `docker` with these words prints; it must succeed.
    pub fn done(&self, words: &[&str]) -> String {
        let output = self.docker(words);
        assert!(output.status.success(), "docker {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A program that finds this engine by its environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("DOCKER_HOST", &self.host)
            .env("DOCKER_BUILDKIT", "0")
            .stdin(Stdio::null());
        command
    }

    /// Builds an image of these lines, in a folder with these files.
    pub fn image(&self, tag: &str, lines: &str, files: &[(&Path, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        for (from, to) in files {
            fs::copy(from, folder.path().join(to)).unwrap();
        }
        fs::write(folder.path().join("Dockerfile"), lines).unwrap();
        let context = folder.path().to_str().unwrap();
        self.done(&["build", "-q", "--network", "host", "-t", tag, context]);
    }

    /// The base image, the runner's image as people build it, and the scripted agent beside it.
    fn build(&self) {
        let base = root().join("scripts/base-image");
        let made = self.command(base).status().unwrap();
        assert!(made.success(), "the base image could not be made");
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        stripped(&built("scripted-agent"), &at.join("scripted-agent"));
        self.ours("runner", IMAGE);
        let lines = format!("FROM {IMAGE}\nCOPY scripted-agent /usr/local/bin/\n");
        self.image(
            IMAGE,
            &lines,
            &[(&at.join("scripted-agent"), "scripted-agent")],
        );
    }

    /// An image of ours as people build it, of the binary of this build.
    fn ours(&self, name: &str, tag: &str) {
        let folder = tempfile::tempdir().unwrap();
        stripped(&built("sandbox"), &folder.path().join("sandbox"));
        let mut more = vec![];
        if name == "operator" {
            let program = "sandbox-operator";
            stripped(&built(program), &folder.path().join(program));
            more = vec!["--build-arg", "OPERATOR=sandbox-operator"];
        }
        let file = root().join("images").join(name).join("Dockerfile");
        let (file, context) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
        let words = "build -q --network host --target binary --build-arg BINARY=sandbox";
        let words: Vec<&str> = words.split(' ').collect();
        self.done(&[&words[..], &more, &["-t", tag, "-f", file, context]].concat());
    }

    /// The runner's image under this name, without the scripted agent.
    pub fn runner(&self, tag: &str) {
        self.ours("runner", tag);
    }

    /// The image of the server, made at the first call.
    pub fn operator(&self) -> &'static str {
        static MADE: OnceLock<()> = OnceLock::new();
        MADE.get_or_init(|| self.ours("operator", OPERATOR));
        OPERATOR
    }

    /// An image of Debian's Redis with the user and the folder that Redis' own image has, made at the
    /// first call.
    pub fn redis(&self) -> &'static str {
        static MADE: OnceLock<()> = OnceLock::new();
        let lines = "FROM debian:bookworm-slim\nRUN apt-get update -q \
            && apt-get install -y -q --no-install-recommends redis-server \
            && mkdir -p /data && chown 999:999 /data\nVOLUME /data\nWORKDIR /data\n";
        MADE.get_or_init(|| self.image(REDIS, lines, &[]));
        REDIS
    }

    /// Puts the image into this engine.
    pub fn load(&self) {
        self.done(&["load", "-i", images::runner().to_str().unwrap()]);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            // The end of its input is what it waits for.
            drop(keeper.words.take());
            let _ = keeper.child.wait();
        }
    }
}

/// Whether an engine of our own can be started here.
pub fn may_start() -> bool {
    let there = [
        "/usr/sbin/dockerd",
        "/usr/bin/dockerd",
        "/usr/local/bin/dockerd",
    ];
    rustix::process::geteuid().is_root() && there.iter().any(|p| Path::new(p).exists())
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A debug binary is four fifths notes for a debugger.
fn stripped(from: &Path, to: &Path) {
    let done = Command::new("strip").arg("-o").arg(to).arg(from).status();
    if !done.is_ok_and(|s| s.success()) {
        fs::copy(from, to).unwrap();
    }
}
