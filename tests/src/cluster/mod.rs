//! A real Kubernetes control plane of a test's own: etcd and kube-apiserver; [`whole`] has a node besides. All of it
//! ends with the value, also when the test panics or its process is killed; `scripts/setup kube` builds it.

pub mod bed;
pub mod beside;
mod certs;
pub mod lag;
pub mod line;
mod place;
pub mod shared;
pub mod spy;
pub mod whole;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use serde_json::json;

use crate::process::Process;
use place::Place;

/// How long the API server may take to be ready.
const PATIENCE: Duration = Duration::from_mins(1);
/// The sockets of etcd, in its working folder: no port is taken for it.
const STORE: &str = "unix://localhost:1";
const PEERS: &str = "unix://localhost:2";
/// What has no pods needs no address that pods could reach.
const ALONE: &str = "--endpoint-reconciler-type=none";
const PINS: &str = include_str!("../../../scripts/kube/go.mod");

/// A control plane. It ends with this value.
pub struct Cluster {
    // In the order in which they end.
    api: Process,
    etcd: Process,
    folder: Place,
    address: SocketAddr,
    options: Vec<String>,
    // Held as long as the server lives, so that nobody else is given its port meanwhile.
    _port: OwnedFd,
}

impl Cluster {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// The commands are not built, or it does not become ready; with the end of its log.
    pub async fn start() -> Result<Self> {
        let bare = [
            ALONE,
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
        ];
        Self::start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), &bare).await
    }

    /// The same where pods are given accounts, as in every real cluster. Nobody makes the accounts.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn with_accounts() -> Result<Self> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self::start_at(address, &[ALONE, "--authorization-mode=RBAC"]).await
    }

    /// The same where pods are given accounts, and the API server writes down who asked what ([`Self::audit`]).
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn audited() -> Result<Self> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let options = [
            ALONE,
            "--authorization-mode=RBAC",
            "--audit-policy-file=audit.json",
            "--audit-log-path=audit.log",
        ];
        Self::start_at(address, &options).await
    }

    /// What was asked, a JSON object a line.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// The same at this address of the machine, with these options of the API server.
    async fn start_at(address: IpAddr, options: &[&str]) -> Result<Self> {
        let folder = Place::new()?;
        certs::write(folder.path(), address)?;
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        });
        fs::write(folder.path().join("audit.json"), policy.to_string())?;
        let (hold, address) = free_port(address)?;
        for (name, user) in [("kubeconfig", "admin"), ("node.kubeconfig", "node")] {
            let text = kubeconfig(folder.path(), address, user);
            fs::write(folder.path().join(name), text)?;
        }
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        let etcd = Process::start(etcd(folder.path())?)?;
        let api = Process::start(api_server(folder.path(), address, &options)?)?;
        let cluster = Self {
            api,
            etcd,
            folder,
            address,
            options,
            _port: hold,
        };
        cluster.ready().await?;
        Ok(cluster)
    }

    /// A file that clients such as kubectl read; its user may do everything.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// A client of its own, for this test's runtime.
    ///
    /// # Errors
    /// The kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::try_from(self.config().await?)?)
    }

    /// What a client is made of, to be changed before it is.
    ///
    /// # Errors
    /// The kubeconfig cannot be read.
    pub async fn config(&self) -> Result<Config> {
        let read = Kubeconfig::read_from(self.kubeconfig())?;
        Ok(Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?)
    }

    /// Where the API server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the API server; etcd lives on.
    pub fn kill_api(&mut self) {
        self.api.kill();
    }

    /// Starts the API server again, over the same etcd and at the same port, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_api(&mut self) -> Result<()> {
        let server = api_server(self.folder.path(), self.address, &self.options)?;
        self.api = Process::start(server)?;
        self.ready().await
    }

    /// The real kubectl for it.
    ///
    /// # Errors
    /// It is not built.
    pub fn kubectl(&self) -> Result<Command> {
        let mut command = Command::new(built("kubectl")?);
        // Its cache of what the server offers goes with the cluster.
        command
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.kubeconfig());
        Ok(command)
    }

    /// The process ids of the API server and of etcd.
    #[must_use]
    pub fn pids(&self) -> [u32; 2] {
        [self.api.pid(), self.etcd.pid()]
    }

    /// The folder with its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn ready(&self) -> Result<()> {
        let client = self.client().await?;
        let begun = Instant::now();
        loop {
            let asked = http_get("/readyz")?;
            if client.request_text(asked).await.is_ok() {
                return Ok(());
            }
            let over = self.api.is_over() || self.etcd.is_over();
            if over || begun.elapsed() > PATIENCE {
                bail!("started a control plane: not ready\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn logs(&self) -> String {
        let end = |name: &str| {
            let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(20).collect();
            let lines: Vec<&str> = lines.into_iter().rev().collect();
            format!("{name}:\n{}\n", lines.join("\n"))
        };
        end("etcd.log") + &end("api.log")
    }
}

fn http_get(path: &str) -> Result<axum::http::Request<Vec<u8>>> {
    Ok(axum::http::Request::get(path).body(Vec::new())?)
}

/// Where a command of the control plane stands.
///
/// # Errors
/// It is not built.
pub fn built(command: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("KUBEBUILDER_ASSETS") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => cache()?.join(format!("kube-{}", version()?)),
    };
    let path = folder.join(command);
    ensure!(
        path.is_file(),
        "looked for {}: `scripts/setup kube` builds it",
        path.display()
    );
    Ok(path)
}

fn version() -> Result<&'static str> {
    PINS.lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes v"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("read the version of Kubernetes in scripts/kube/go.mod")
}

/// The folder into which `scripts/setup` builds what tests need.
///
/// # Errors
/// Nothing says where the user's own files are.
pub fn cache() -> Result<PathBuf> {
    crate::cache::folder()
}

/// A port of this address that the API server may share with this socket, and nobody else.
fn free_port(address: IpAddr) -> Result<(OwnedFd, SocketAddr)> {
    let hold = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseport(&hold, true)?;
    bind(&hold, &SocketAddr::new(address, 0))?;
    let address = SocketAddr::try_from(getsockname(&hold)?)?;
    Ok((hold, address))
}

/// A command in the cluster's folder that is killed when whoever began it is gone.
fn command(name: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(built(name)?);
    command.current_dir(folder);
    Ok(command)
}

fn etcd(folder: &Path) -> Result<(Command, PathBuf)> {
    let mut command = command("etcd", folder)?;
    command.args([
        "--data-dir",
        "etcd",
        "--unsafe-no-fsync",
        "--log-level",
        "warn",
    ]);
    command.args([
        "--listen-client-urls",
        STORE,
        "--advertise-client-urls",
        STORE,
    ]);
    command.args([
        "--listen-peer-urls",
        PEERS,
        "--initial-advertise-peer-urls",
        PEERS,
    ]);
    command.arg(format!("--initial-cluster=default={PEERS}"));
    Ok((command, folder.join("etcd.log")))
}

fn api_server(
    folder: &Path,
    address: SocketAddr,
    options: &[String],
) -> Result<(Command, PathBuf)> {
    let mut command = command("kube-apiserver", folder)?;
    command.arg(format!("--secure-port={}", address.port()));
    command.arg(format!("--bind-address={}", address.ip()));
    command.args(options);
    command.arg(format!("--etcd-servers={STORE}")).args([
        "--permit-port-sharing=true",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-signing-key-file=accounts.key",
        "--service-account-key-file=accounts.pub",
        "--client-ca-file=ca.crt",
        "--tls-cert-file=server.crt",
        "--tls-private-key-file=server.key",
    ]);
    Ok((command, folder.join("api.log")))
}

fn kubeconfig(folder: &Path, address: SocketAddr, user: &str) -> String {
    let server = format!("https://{address}");
    let file = |name: String| folder.join(name);
    let keys = json!({
        "client-certificate": file(format!("{user}.crt")), "client-key": file(format!("{user}.key")),
    });
    let place = json!({"server": server, "certificate-authority": file("ca.crt".to_owned())});
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": place}],
        "users": [{"name": user, "user": keys}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
    })
    .to_string()
}
