//! A whole cluster of a test's own: the control plane, its controllers and scheduler, and one node in namespaces of its
//! own (`scripts/kube/node`) on which pods really run. Needs root; `scripts/setup kubenode` builds and installs it.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Node as KubeNode;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{Cluster, built, command};
use crate::{cache::part, engine::root, images::runners, process::Process};

/// Where the names of services are told: the node's own address among its pods.
const DNS: &str = "10.244.0.1";
/// What they all end in.
const DOMAIN: &str = "cluster.local";
/// How long the node may take to be ready.
const PATIENCE: Duration = Duration::from_mins(2);
/// What an API server needs for nodes and the service accounts of pods.
const OPTIONS: [&str; 7] = [
    // Pods reach it by the service `kubernetes`.
    "--endpoint-reconciler-type=lease",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--kubelet-preferred-address-types=InternalIP",
    "--kubelet-client-certificate=admin.crt",
    "--kubelet-client-key=admin.key",
    "--allow-privileged=true",
];

/// A cluster with a node. All of it ends with this value.
pub struct Whole {
    // In the order in which they end: the node first, so that nothing of it is left to be told.
    keeper: Keeper,
    _controllers: Process,
    _scheduler: Process,
    cluster: Cluster,
    address: IpAddr,
}

/// The process that ends the node when we end.
struct Keeper {
    child: Child,
    pipes: Option<Mutex<(ChildStdin, BufReader<ChildStdout>)>>,
    folder: PathBuf,
}

impl Whole {
    /// Starts one and waits until its node is ready.
    ///
    /// # Errors
    /// A part is not built or installed, or does not become ready; with the end of the logs.
    pub async fn start() -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "a node of one's own needs root"
        );
        let keeper = Keeper::start()?;
        let address: IpAddr = keeper.line()?.trim_start_matches("address ").parse()?;
        let cluster = Cluster::start_at(address, &OPTIONS).await?;
        let of = |name: &str, words: &[&str]| -> Result<Process> {
            let mut command = command(name, cluster.folder())?;
            command.args([
                "--kubeconfig=kubeconfig",
                "--leader-elect=false",
                "--secure-port=0",
            ]);
            command.args(words);
            Process::start((command, cluster.folder().join(format!("{name}.log"))))
        };
        let controllers = of("kube-controller-manager", &CONTROLLERS)?;
        let scheduler = of("kube-scheduler", &[])?;
        keeper.equip(cluster.folder())?;
        keeper.tell("start")?;
        let whole = Self {
            keeper,
            _controllers: controllers,
            _scheduler: scheduler,
            cluster,
            address,
        };
        whole.ready().await?;
        Ok(whole)
    }

    /// The control plane.
    #[must_use]
    pub const fn plane(&self) -> &Cluster {
        &self.cluster
    }

    /// The address at which pods reach this machine.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The address at which this machine reaches the node, and the ports of its services.
    ///
    /// # Errors
    /// The node has no address of version 4.
    pub fn node(&self) -> Result<IpAddr> {
        let IpAddr::V4(ours) = self.address else {
            bail!("looked for the node of {}", self.address);
        };
        // The two ends of a link of four addresses.
        Ok(Ipv4Addr::from_bits(ours.to_bits() + 1).into())
    }

    /// A client of its own.
    ///
    /// # Errors
    /// As [`Cluster::client`].
    pub async fn client(&self) -> Result<Client> {
        self.cluster.client().await
    }

    /// The folder of the node's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.keeper.folder
    }

    /// The name of this machine's end of the node's link.
    #[must_use]
    pub fn link(&self) -> String {
        let parts = self.address.to_string();
        format!("sbx{}", parts.split('.').nth(2).unwrap_or_default())
    }

    /// Puts the images of an archive onto the node.
    ///
    /// # Errors
    /// The node's keeper is gone.
    pub fn load(&self, archive: &Path) -> Result<()> {
        self.keeper.tell(&format!("load {}", archive.display()))
    }

    /// Has the node's keeper do something: `kill` and `begin` its kubelet, `cut` and `mend` its link.
    ///
    /// # Errors
    /// The node's keeper is gone.
    pub fn tell(&self, word: &str) -> Result<()> {
        self.keeper.tell(word)
    }

    async fn ready(&self) -> Result<()> {
        let nodes: Api<KubeNode> = Api::all(self.client().await?);
        let begun = Instant::now();
        loop {
            let node = nodes.get_opt("node1").await?;
            if node.is_some_and(|n| is_ready(&n)) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("started a node: not ready\n{}", self.keeper.logs());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn is_ready(node: &KubeNode) -> bool {
    let conditions = node
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let mut ready = conditions.filter(|c| c.type_ == "Ready");
    let tainted = node
        .spec
        .iter()
        .flat_map(|s| s.taints.iter().flatten())
        .count();
    ready.any(|c| c.status == "True") && tainted == 0
}

/// A node that is silent is missed after seconds, and not after a minute.
const CONTROLLERS: [&str; 5] = [
    "--service-account-private-key-file=accounts.key",
    "--root-ca-file=ca.crt",
    "--node-monitor-period=1s",
    "--node-monitor-grace-period=8s",
    "--allocate-node-cidrs=false",
];

impl Keeper {
    fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("knode").tempdir()?.keep();
        let kubelet = built("kubelet")?;
        let binaries = kubelet
            .parent()
            .context("looked for the kubelet's folder")?;
        let mut child = Command::new(root().join("scripts/kube/node"))
            .arg(&folder)
            .arg(binaries)
            .arg(part("coredns", "coredns")?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("ran scripts/kube/node")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let pipes = stdin
            .zip(stdout)
            .map(|(i, o)| Mutex::new((i, BufReader::new(o))));
        Ok(Self {
            child,
            pipes,
            folder,
        })
    }

    fn line(&self) -> Result<String> {
        let pipes = self.pipes.as_ref().context("the node's keeper is gone")?;
        let mut pipes = pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = String::new();
        pipes.1.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn tell(&self, words: &str) -> Result<()> {
        let pipes = self.pipes.as_ref().context("the node's keeper is gone")?;
        let mut pipes = pipes.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipes.0, "{words}")?;
        let mut line = String::new();
        pipes.1.read_line(&mut line)?;
        let word = words.split(' ').next().unwrap_or_default();
        ensure!(
            line.trim() == word,
            "told the node {words:?}: it said {line:?}\n{}",
            self.logs()
        );
        Ok(())
    }

    /// What the kubelet, kube-proxy and `CoreDNS` are told.
    fn equip(&self, plane: &Path) -> Result<()> {
        for (from, to) in [
            ("node.kubeconfig", "node.kubeconfig"),
            ("kubeconfig", "admin.kubeconfig"),
        ] {
            fs::copy(plane.join(from), self.folder.join(to))?;
        }
        let names = format!(
            "{DOMAIN}:53 {{\n bind {DNS}\n errors\n kubernetes {DOMAIN} {{\n  kubeconfig {}\n }}\n}}\n",
            self.folder.join("admin.kubeconfig").display()
        );
        fs::write(self.folder.join("Corefile"), names)?;
        let off = "0%";
        let config = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": false}, "x509": {"clientCAFile": plane.join("ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": format!("unix://{}", self.folder.join("containerd.sock").display()),
            "podLogsDir": self.folder.join("pods"),
            "cgroupDriver": "cgroupfs", "cgroupsPerQOS": false, "enforceNodeAllocatable": [],
            "failCgroupV1": false, "failSwapOn": false, "localStorageCapacityIsolation": false,
            "resolvConf": "", "clusterDNS": [DNS], "clusterDomain": DOMAIN,
            "nodeStatusUpdateFrequency": "2s", "nodeLeaseDurationSeconds": 4,
            "evictionHard": {
                "memory.available": off, "nodefs.available": off, "nodefs.inodesFree": off,
                "imagefs.available": off, "imagefs.inodesFree": off,
            },
            "imageGCHighThresholdPercent": 100,
        });
        fs::write(self.folder.join("kubelet.json"), config.to_string())?;
        Ok(())
    }

    fn logs(&self) -> String {
        let end = |name: &str| {
            let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(25).collect();
            let lines: Vec<&str> = lines.into_iter().rev().collect();
            format!("{name}:\n{}\n", lines.join("\n"))
        };
        [
            "containerd.log",
            "kubelet.log",
            "kube-proxy.log",
            "coredns.log",
            "images.log",
        ]
        .map(end)
        .concat()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of its input is what it waits for.
        drop(self.pipes.take());
        let _ = self.child.wait();
    }
}

static SHARED: tokio::sync::Mutex<Weak<Whole>> = tokio::sync::Mutex::const_new(Weak::new());

/// The cluster that the tests of this process share while any of them runs: with the definitions of `crds/`, and the
/// images of runners on its node.
///
/// # Errors
/// As [`Whole::start`].
pub async fn shared() -> Result<Arc<Whole>> {
    let mut shared = SHARED.lock().await;
    if let Some(whole) = shared.upgrade() {
        return Ok(whole);
    }
    let whole = Arc::new(Whole::with_images().await?);
    *shared = Arc::downgrade(&whole);
    Ok(whole)
}

impl Whole {
    /// One of a test's own, with the definitions of `crds/` and the images of runners.
    ///
    /// # Errors
    /// As [`Whole::start`].
    pub async fn with_images() -> Result<Self> {
        let images = tokio::task::spawn_blocking(runners);
        let whole = Self::start().await?;
        let crds = root().join("crds");
        whole.kubectl(&["apply", "-f", &crds.to_string_lossy()])?;
        whole.kubectl(&["wait", "crd", "--all", "--for=condition=Established"])?;
        whole.load(&images.await?)?;
        Ok(whole)
    }

    /// What kubectl says where it succeeds.
    ///
    /// # Errors
    /// It does not; with its words.
    pub fn kubectl(&self, words: &[&str]) -> Result<String> {
        let seen = self.cluster.kubectl()?.args(words).output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        ensure!(
            seen.status.success(),
            "kubectl {words:?}: {}",
            text(seen.stderr)
        );
        Ok(text(seen.stdout))
    }

    /// Applies this object.
    ///
    /// # Errors
    /// It is refused; with the words.
    pub fn apply(&self, object: &Value) -> Result<()> {
        let mut child = self
            .cluster
            .kubectl()?
            .args(["apply", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut to = child.stdin.take().context("opened kubectl's input")?;
        to.write_all(object.to_string().as_bytes())?;
        drop(to);
        let seen = child.wait_with_output()?;
        let words = String::from_utf8_lossy(&seen.stderr).into_owned();
        ensure!(seen.status.success(), "applied {object}: {words}");
        Ok(())
    }
}
