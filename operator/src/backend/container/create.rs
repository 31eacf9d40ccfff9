//! What a container is made of: hardened by default, as one pure function. Asks nobody.

use std::{collections::HashMap, path::PathBuf};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountType, RestartPolicy, RestartPolicyNameEnum,
};
use sandbox_core::{
    Brief, Seat,
    spec::{ContainerResources, ContainerSpec, Network},
};

use super::{
    conf::{ContainerConfig, OWNER_LABEL, SEAT_LABEL, User, inside},
    places::Places,
};
use crate::seats::files::sync;

/// Processors in thousandths, memory in bytes, processes: what a job gets that does not say.
const CPU: u64 = 2000;
const MEMORY: u64 = 2 << 30;
const PIDS: u32 = 1024;
/// What is kept of what a container prints; the seat's own log stands in the seat's folder.
const PRINTED: &str = "1m";
/// Where the relay to the proxy listens inside; nobody outside can reach it.
pub const RELAY: &str = "127.0.0.1:3128";

/// The name of the seat's container: the same every time.
pub(super) fn name(seat: &Seat) -> String {
    seat.object_name()
}

/// What the job says about its container; all defaults where it says nothing.
pub(super) fn asked(brief: &Brief) -> ContainerSpec {
    let backend = brief.spec.backend.as_ref();
    backend
        .and_then(|b| b.container.clone())
        .unwrap_or_default()
}

/// Everything a container is made with besides the job and the configuration.
pub(super) struct Parts<'a> {
    /// Whose it is.
    pub owner: &'a str,
    /// The exact image.
    pub image: &'a str,
    /// The image as people and registries call it.
    pub shown: &'a str,
    /// The network of containers that reach everything.
    pub network: &'a str,
    /// Processors of the machine, in thousandths.
    pub machine: u64,
    /// Whether the engine is Podman.
    pub podman: bool,
    /// Where our folders are for the engine.
    pub places: &'a Places,
}

/// The whole request.
pub(super) fn body(conf: &ContainerConfig, brief: &Brief, parts: &Parts) -> ContainerCreateBody {
    let asked = asked(brief);
    ContainerCreateBody {
        image: Some(parts.image.to_owned()),
        cmd: Some(command(brief, asked.network, conf.ask_first)),
        user: Some(format!("{}:{}", conf.user.uid, conf.user.gid)),
        working_dir: Some(inside::HOME.to_owned()),
        env: Some(environment(asked.network)),
        labels: Some(labels(brief, parts)),
        host_config: Some(host(conf, brief, parts)),
        tty: Some(false),
        open_stdin: Some(false),
        ..ContainerCreateBody::default()
    }
}

fn labels(brief: &Brief, parts: &Parts) -> HashMap<String, String> {
    let all = [
        (OWNER_LABEL, parts.owner.to_owned()),
        (SEAT_LABEL, brief.seat.to_string()),
        ("dev.multiagent.image", parts.shown.to_owned()),
        ("dev.multiagent.job", brief.name.clone()),
        ("dev.multiagent.tenant", brief.tenant.to_string()),
    ];
    all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

/// The words behind the image's entry point, `tini -- sandbox`.
fn command(brief: &Brief, network: Network, ask_first: bool) -> Vec<String> {
    let seat = brief.seat.to_string();
    let mut words = vec!["exec", "--seat", &seat, "--data-dir", inside::DATA];
    words.extend(["--instance", "container"]);
    if ask_first {
        words.extend(["--door", inside::NODE]);
    }
    if network == Network::Restricted {
        words.extend(["--relay", inside::PROXY]);
    }
    words.into_iter().map(str::to_owned).collect()
}

/// No secret stands here: an engine shows a container's environment to everybody it serves.
fn environment(network: Network) -> Vec<String> {
    let mut all = vec![
        format!("HOME={}", inside::HOME),
        "TMPDIR=/tmp".to_owned(),
        "LANG=C.UTF-8".to_owned(),
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    ];
    if network == Network::Restricted {
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
        all.extend(names.map(|name| format!("{name}=http://{RELAY}")));
        let names = ["NO_PROXY", "no_proxy"];
        all.extend(names.map(|name| format!("{name}=localhost,127.0.0.1,::1")));
    }
    all
}

fn host(conf: &ContainerConfig, brief: &Brief, parts: &Parts) -> HostConfig {
    let asked = asked(brief);
    let resources = asked.resources.unwrap_or_default();
    let memory = signed(resources.bytes().unwrap_or(MEMORY));
    HostConfig {
        mounts: Some(mounts(conf, brief, parts.places)),
        tmpfs: Some(tmpfs(conf.user, parts.podman)),
        network_mode: Some(network_mode(asked.network, parts)),
        readonly_rootfs: Some(true),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        pids_limit: Some(i64::from(resources.pids.unwrap_or(PIDS))),
        memory: Some(memory),
        // No more with swap than without.
        memory_swap: Some(memory),
        nano_cpus: Some(nano_cpus(&resources, parts.machine)),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        auto_remove: Some(false),
        log_config: Some(log_config()),
        ..HostConfig::default()
    }
}

/// An engine refuses more processors than there are; only a job that asks for them is to be told.
fn nano_cpus(resources: &ContainerResources, machine: u64) -> i64 {
    let default = CPU.min(machine.max(1));
    signed(
        resources
            .millicores()
            .unwrap_or(default)
            .saturating_mul(1_000_000),
    )
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Restricted means no network at all: the only way out is the socket of the proxy.
fn network_mode(network: Network, parts: &Parts) -> String {
    match network {
        Network::None | Network::Restricted => "none".to_owned(),
        Network::Full => parts.network.to_owned(),
    }
}

/// Programs are built and run in temporary folders, so `noexec` would break honest work.
/// Both are named with an owner: where the image has a folder of that name, its mode is taken over.
/// Podman knows no owner by number: its `U` gives a folder to the container's user, whatever the
/// image's folder of that name is like.
fn tmpfs(user: User, podman: bool) -> HashMap<String, String> {
    let User { uid, gid } = user;
    let owner = if podman {
        "mode=0700,U".to_owned()
    } else {
        format!("mode=0700,uid={uid},gid={gid}")
    };
    let options = format!("rw,nosuid,nodev,exec,{owner},size=1g");
    let places = ["/tmp", inside::HOME];
    places.map(|p| (p.to_owned(), options.clone())).into()
}

fn log_config() -> HostConfigLogConfig {
    let config = [("max-size", PRINTED), ("max-file", "1")];
    let config = config.map(|(k, v)| (k.to_owned(), v.to_owned()));
    HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(config.into()),
    }
}

/// Its own seat, its job's artifacts and its tenant's files to write; the sockets, its settings and
/// its secrets to read. Nothing of another seat, job or tenant, and no socket of tmux or the engine.
fn mounts(conf: &ContainerConfig, brief: &Brief, places: &Places) -> Vec<Mount> {
    let (seat, tenant) = (&brief.seat, brief.tenant.as_str());
    let uid = seat.uid.as_str();
    let artifacts = conf.artifacts_root.join(tenant).join(uid);
    let writable = [
        (
            sync::folder(&conf.seats, seat),
            format!("{}/{seat}", inside::SEATS),
        ),
        (artifacts, format!("{}/{tenant}/{uid}", inside::ARTIFACTS)),
        (
            conf.workspace_root.join(tenant),
            format!("{}/{tenant}", inside::WORKSPACE),
        ),
    ];
    let readable = [
        (conf.settings(), inside::SETTINGS),
        (conf.sockets.clone(), inside::RUN),
        (secrets(conf, seat), inside::SECRETS),
    ];
    let writable = writable
        .iter()
        .map(|(from, to)| mount(places.there(from), to, false));
    let readable = readable
        .iter()
        .map(|(from, to)| mount(places.there(from), to, true));
    writable.chain(readable).collect()
}

/// The folder with copies of the secrets that a seat needs.
pub(super) fn secrets(conf: &ContainerConfig, seat: &Seat) -> std::path::PathBuf {
    conf.folder.join("secrets").join(name(seat))
}

/// What is mounted later on the machine stays outside; but of its own folder, where volumes are, an
/// engine gives nothing to a container that would keep it from unmounting there.
fn mount((from, in_volume): (PathBuf, bool), to: &str, read_only: bool) -> Mount {
    use MountBindOptionsPropagationEnum::{RPRIVATE, RSLAVE};
    Mount {
        typ: Some(MountType::BIND),
        source: Some(from.to_string_lossy().into_owned()),
        target: Some(to.to_owned()),
        read_only: Some(read_only),
        bind_options: Some(MountBindOptions {
            propagation: Some(if in_volume { RSLAVE } else { RPRIVATE }),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

#[cfg(test)]
pub(super) mod tests;
