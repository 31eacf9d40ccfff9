//! Machines outside of the cluster: which of them an attempt goes to, and how long one that is silent is waited for.
//!
//! Where hosts are known, the places of machines (`vps`, `container`) are theirs alone: nothing of the kind runs
//! beside the control plane. The choice is written down with the intent, before anything is asked of the host.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    View, later,
    slots::{Room, wanted},
};
use crate::{job::AgentJob, seat::Register, spec::BackendName, status::HostRef};

/// The machines that a control plane reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Those that are known; `None` where places are this machine's own.
    pub known: Option<Vec<Host>>,
    /// How long a start that was asked for may still come, by the host's own clock.
    pub ticket: Duration,
}

/// One machine, as it is known now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// What it is called in its namespace, and beyond doubt.
    pub is: HostRef,
    /// Jobs of this namespace alone may go there.
    pub namespace: String,
    /// By which it is chosen.
    pub labels: BTreeMap<String, String>,
    /// The places it offers.
    pub backends: BTreeSet<BackendName>,
    /// Slots there are.
    pub slots: u32,
    /// Slots that are held.
    pub held: u32,
    /// Why nothing is begun there now; `None` where something may be.
    pub unready: Option<String>,
}

impl Host {
    /// What its slots are called.
    #[must_use]
    pub fn pool(&self) -> String {
        format!("slots/host@{}", self.is.uid)
    }

    const fn room(&self) -> Room {
        Room {
            slots: self.slots,
            held: self.held,
            wanted_ahead: 0,
        }
    }
}

/// What a job wants of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// The job's namespace.
    pub namespace: &'a str,
    /// Its back end.
    pub backend: BackendName,
    /// Labels the host must have.
    pub labels: &'a BTreeMap<String, String>,
    /// Slots it wants; it gets no more than the host has.
    pub slots: u32,
    /// The host on which it failed last: another is better.
    pub avoid: Option<&'a HostRef>,
}

static ANY: BTreeMap<String, String> = BTreeMap::new();

impl Hosts {
    /// Whether the seats of this back end are on hosts.
    #[must_use]
    pub fn have(&self, backend: BackendName) -> bool {
        let of_machines = matches!(backend, BackendName::Vps | BackendName::Container);
        self.known.is_some() && of_machines
    }

    /// The hosts at which this job might be begun, to be told what is held there.
    pub fn for_job(&mut self, job: &AgentJob) -> impl Iterator<Item = &mut Host> {
        let namespace = job.metadata.namespace.clone().unwrap_or_default();
        let all = self.known.iter_mut().flatten();
        all.filter(move |host| host.namespace == namespace)
    }
}

/// The host for this wish: one that fits, is ready and has room; of several the one with the most room.
///
/// # Errors
/// There is none now; with what there is and what to do.
pub fn choose<'a>(hosts: &'a [Host], wish: &Wish<'_>) -> Result<&'a Host, String> {
    let has = |host: &Host, (key, value)| host.labels.get(key) == Some(value);
    let mut fit: Vec<&Host> = hosts
        .iter()
        .filter(|h| h.namespace == wish.namespace && wish.labels.iter().all(|l| has(h, l)))
        .collect();
    if fit.is_empty() {
        return Err(nobody(wish));
    }
    let offering: Vec<&Host> = fit
        .iter()
        .filter(|h| h.unready.is_some() || h.backends.contains(&wish.backend))
        .copied()
        .collect();
    if offering.is_empty() {
        let word = wish.backend.word();
        return Err(format!(
            "waiting for a host: {} does not offer {word}",
            names(&fit)
        ));
    }
    fit = offering;
    let ready: Vec<&Host> = fit
        .iter()
        .filter(|h| h.unready.is_none())
        .copied()
        .collect();
    if ready.is_empty() {
        return Err(unready(&fit));
    }
    let free = |h: &Host| h.slots.saturating_sub(h.held);
    let roomy = ready
        .iter()
        .filter(|h| h.room().fits(wish.slots.min(h.slots.max(1))));
    let avoided = |h: &Host| wish.avoid.is_some_and(|a| a.uid == h.is.uid);
    let best = roomy.min_by_key(|h| (avoided(h), Reverse(free(h)), &h.is.name));
    best.copied().ok_or_else(|| {
        let full = ready
            .iter()
            .map(|h| format!("{} has {} of {} slots at work", h.is.name, h.held, h.slots));
        format!("waiting for a host: {}", short(full))
    })
}

fn nobody(wish: &Wish<'_>) -> String {
    let labels = wish.labels.iter().map(|(k, v)| format!("{k}={v}"));
    let labels: Vec<String> = labels.collect();
    let having = match &labels[..] {
        [] => String::new(),
        some => format!(" with {}", some.join(",")),
    };
    format!(
        "waiting for a host: there is no RunnerHost{having} in namespace {}; `kubectl get rh --show-labels`",
        wish.namespace
    )
}

fn names(hosts: &[&Host]) -> String {
    short(hosts.iter().map(|h| h.is.name.clone()))
}

fn unready(hosts: &[&Host]) -> String {
    let why = |h: &&Host| {
        format!(
            "{}: {}",
            h.is.name,
            h.unready.as_deref().unwrap_or_default()
        )
    };
    format!("waiting for a host: {}", short(hosts.iter().map(why)))
}

/// The first few; a reason has 512 characters.
fn short(texts: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = texts.collect();
    let mut text = all.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    if all.len() > 3 {
        let more = format!("; and {} more", all.len() - 3);
        text.push_str(&more);
    }
    text.truncate(text.floor_char_boundary(400));
    text
}

/// Where the next attempt goes, and how much room there is.
pub(super) struct Place {
    pub(super) pool: String,
    pub(super) room: Room,
    pub(super) host: Option<HostRef>,
}

/// The place of the next attempt of this job.
pub(super) fn place(view: &View, backend: BackendName) -> Result<Place, String> {
    let limits = view.limits;
    let Some(hosts) = limits
        .hosts
        .known
        .as_ref()
        .filter(|_| limits.hosts.have(backend))
    else {
        return Ok(Place {
            pool: limits.sites.pool(backend),
            room: Room {
                slots: limits.slots,
                held: limits.slots_held,
                wanted_ahead: limits.wanted_ahead,
            },
            host: None,
        });
    };
    let asked = view
        .job
        .spec
        .backend
        .as_ref()
        .and_then(|b| b.host_selector.as_ref());
    let last = view
        .status
        .backend_ref
        .as_ref()
        .and_then(|r| r.host.as_ref());
    let wish = Wish {
        namespace: view.job.metadata.namespace.as_deref().unwrap_or_default(),
        backend,
        labels: asked.map_or(&ANY, |s| &s.match_labels),
        slots: wanted(&view.job.spec),
        avoid: last,
    };
    choose(hosts, &wish).map(|host| Place {
        pool: host.pool(),
        room: host.room(),
        host: Some(host.is.clone()),
    })
}

/// When nothing of an attempt that is not seen since `since` can be at work any more. A start that was asked for may
/// come as late as its ticket lasts, and whoever was started goes on for a lease without being heard.
pub(super) fn over_by(view: &View, since: Timestamp) -> Timestamp {
    let limits = view.limits;
    let lease = limits.lease.unwrap_or_default();
    let on_a_host = view
        .status
        .backend_ref
        .as_ref()
        .is_some_and(|r| r.host.is_some());
    let claimed = matches!(view.seen.register, Register::Claimed(_));
    let leased = match &view.seen.heartbeat {
        Some(heard) => later(heard.at, lease).max(since),
        None if on_a_host && !claimed => later(later(since, limits.hosts.ticket), lease),
        None => later(since, lease),
    };
    later(leased, limits.vanish_grace)
}
