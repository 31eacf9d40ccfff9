//! The machines that a control plane knows: how each is reached, what it said last, and what a plan is told of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sandbox_core::{
    host::RunnerHostStatus,
    plan::{Host, Hosts},
    status::HostRef,
};
use tokio::sync::watch;

use super::client::{Client, Unready};
use crate::host::wire::{About, TICKET};

/// What people say of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// What it is called.
    pub is: HostRef,
    /// Whose jobs may go there.
    pub namespace: String,
    /// By which it is chosen.
    pub labels: BTreeMap<String, String>,
    /// Most slots; as many as it offers when absent.
    pub slots: Option<u32>,
    /// Whether nothing new is to begin there.
    pub unschedulable: bool,
}

/// What a machine said last.
pub type Health = Result<About, Unready>;

struct Known {
    described: Described,
    client: Option<Arc<Client>>,
    health: Health,
    written: Option<RunnerHostStatus>,
}

/// All machines.
pub struct Machines {
    all: Mutex<BTreeMap<String, Known>>,
    told: watch::Sender<Hosts>,
}

impl Default for Machines {
    fn default() -> Self {
        let told = watch::Sender::new(Hosts {
            known: Some(Vec::new()),
            ticket: TICKET,
        });
        Self {
            all: Mutex::default(),
            told,
        }
    }
}

impl Machines {
    /// What a plan is told of them, now and later.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Hosts> {
        self.told.subscribe()
    }

    /// A machine is described, anew perhaps; without a client nobody can reach it, for this reason.
    pub fn describe(&self, described: Described, client: Result<Arc<Client>, Unready>) {
        let mut all = self.lock();
        let uid = described.is.uid.clone();
        let silent = || Unready::new("Unknown", "it was not asked yet");
        let (client, unready) = match client {
            Ok(client) => (Some(client), None),
            Err(unready) => (None, Some(unready)),
        };
        let before = all.remove(&uid);
        let written = before.as_ref().and_then(|k| k.written.clone());
        let health = match unready {
            Some(unready) => Err(unready),
            None => before.map_or_else(|| Err(silent()), |k| k.health),
        };
        let known = Known {
            described,
            client,
            health,
            written,
        };
        all.insert(uid, known);
        self.tell(&all);
    }

    /// What a machine said, or why it said nothing.
    pub fn heard(&self, uid: &str, health: Health) {
        let mut all = self.lock();
        if let Some(known) = all.get_mut(uid) {
            known.health = health;
            self.tell(&all);
        }
    }

    /// A machine is described no more.
    pub fn forget(&self, uid: &str) {
        let mut all = self.lock();
        all.remove(uid);
        self.tell(&all);
    }

    /// What a machine said last, where it is known.
    #[must_use]
    pub fn health(&self, uid: &str) -> Option<Health> {
        self.lock().get(uid).map(|k| k.health.clone())
    }

    /// What was last written down of a machine, where this process wrote it.
    #[must_use]
    pub fn written(&self, uid: &str) -> Option<RunnerHostStatus> {
        self.lock().get(uid)?.written.clone()
    }

    /// This was written down of a machine.
    pub fn wrote(&self, uid: &str, status: RunnerHostStatus) {
        if let Some(known) = self.lock().get_mut(uid) {
            known.written = Some(status);
        }
    }

    /// The way to a machine, where it is known and can be asked.
    pub(super) fn client(&self, uid: &str) -> Option<Arc<Client>> {
        self.lock().get(uid)?.client.clone()
    }

    fn tell(&self, all: &BTreeMap<String, Known>) {
        let known: Vec<Host> = all.values().map(host).collect();
        self.told.send_if_modified(|hosts| {
            let known = Some(known);
            let news = hosts.known != known;
            hosts.known = known;
            news
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A machine as a plan knows it. What it holds is filled in from the jobs.
fn host(known: &Known) -> Host {
    let about = known.health.as_ref().ok();
    let offered = about.map_or(0, |a| a.slots);
    let most = known.described.slots.unwrap_or(offered);
    let unready = match &known.health {
        _ if known.described.unschedulable => Some("it is marked unschedulable".to_owned()),
        Err(unready) => Some(unready.message.clone()),
        Ok(_) => None,
    };
    Host {
        is: known.described.is.clone(),
        namespace: known.described.namespace.clone(),
        labels: known.described.labels.clone(),
        backends: about.into_iter().flat_map(|a| a.backends.clone()).collect(),
        slots: most.min(offered),
        held: 0,
        unready,
    }
}
