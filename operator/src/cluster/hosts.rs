//! Machines outside of the cluster, as `RunnerHost` objects describe them. Every replica knows them, to show logs and to
//! launch; the one that leads listens to their runners and writes down how the machines are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use futures::{StreamExt, stream::select_all};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::{
        WatchStreamExt,
        reflector::{self, Store as Reflected},
        watcher,
    },
};
use object_store::ObjectStore;
use sandbox_core::{RunnerHost, host::RunnerHostStatus, plan::Host, port::Store, status::HostRef};
use serde_json::json;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::{
    backend::remote::{
        Client as Machine, ClientSettings, Described, Health, Machines, Relay, Unready,
    },
    control::Waker,
    lead::Term,
};

/// How often secrets are read again: tokens are changed now and then.
const SECRETS: Duration = Duration::from_mins(1);
/// How often it is looked whether a status is to be written.
const STATUS: Duration = Duration::from_secs(5);
/// How old the time of the last answer may be in a status.
const SEEN: i64 = 60;
const MANAGER: &str = "sandbox/hosts";

/// A machine as it is described, and the way to it.
struct Entry {
    object: RunnerHost,
    token: Option<String>,
    described: Described,
    machine: Result<Arc<Machine>, Unready>,
}

type Entries = BTreeMap<String, Arc<Entry>>;

/// The `RunnerHost` objects of a scope.
pub(super) struct RunnerHosts {
    client: Client,
    namespaces: Vec<String>,
    machines: Arc<Machines>,
    known: watch::Sender<Entries>,
}

/// What a leader needs to listen to the runners of machines.
pub(super) struct Listening {
    pub(super) door: Router,
    pub(super) store: Arc<dyn Store>,
    pub(super) logs: Arc<dyn ObjectStore>,
    pub(super) waker: Waker,
    pub(super) lease: Duration,
}

impl RunnerHosts {
    /// Those of these namespaces; of all of them when empty.
    pub(super) fn new(client: Client, namespaces: Vec<String>, machines: Arc<Machines>) -> Self {
        Self {
            client,
            namespaces,
            machines,
            known: watch::Sender::new(Entries::new()),
        }
    }

    /// Keeps what is known at what the objects say, for ever.
    pub(super) async fn follow(&self) {
        let apis: Vec<Api<RunnerHost>> = match &self.namespaces[..] {
            [] => vec![Api::all(self.client.clone())],
            some => some
                .iter()
                .map(|n| Api::namespaced(self.client.clone(), n))
                .collect(),
        };
        let mut stores = Vec::new();
        let watches = apis.into_iter().map(|api| {
            let (store, writer) = reflector::store();
            stores.push(store);
            let watch = watcher(api, watcher::Config::default()).default_backoff();
            reflector::reflector(writer, watch).boxed()
        });
        let mut changes = select_all(watches.collect::<Vec<_>>());
        let mut again = tokio::time::interval(SECRETS);
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(_)) => self.take(&stores, false).await,
                    Some(Err(e)) => tracing::warn!(error = %e, "cannot watch RunnerHosts; trying again"),
                    None => return,
                },
                _ = again.tick() => self.take(&stores, true).await,
            }
        }
    }

    /// Takes in what the objects say now. Secrets are read where an object is new or changed, or all of them.
    async fn take(&self, stores: &[Reflected<RunnerHost>], all: bool) {
        let before = self.known.borrow().clone();
        let mut after = Entries::new();
        for object in stores.iter().flat_map(Reflected::state) {
            let Some(uid) = object.metadata.uid.clone() else {
                continue;
            };
            let known = before.get(&uid).filter(|k| same(&k.object, &object));
            let entry = match known {
                Some(known) if !all => known.clone(),
                known => self.entry(&object, known).await,
            };
            after.insert(uid, entry);
        }
        for uid in before.keys().filter(|uid| !after.contains_key(*uid)) {
            self.machines.forget(uid);
        }
        for (uid, entry) in &after {
            if before.get(uid).is_none_or(|b| !Arc::ptr_eq(b, entry)) {
                let machine = entry.machine.clone();
                self.machines.describe(entry.described.clone(), machine);
            }
        }
        self.known.send_replace(after);
    }

    /// The way to a machine; the one that is known where nothing is different.
    async fn entry(&self, object: &RunnerHost, known: Option<&Arc<Entry>>) -> Arc<Entry> {
        let token = self.token(object).await;
        if let (Some(known), Ok(token)) = (known, &token)
            && known.token.as_ref() == Some(token)
        {
            return known.clone();
        }
        let described = described(object);
        let machine = token.clone().and_then(|token| {
            let machine = Machine::new(ClientSettings {
                address: object.spec.address.clone(),
                certificate: object.spec.certificate.clone(),
                token: token.into(),
                owner: described.is.uid.clone(),
            });
            let unfit = |message| Unready {
                reason: "Invalid",
                message,
            };
            machine.map(Arc::new).map_err(unfit)
        });
        Arc::new(Entry {
            object: object.clone(),
            token: token.ok(),
            described,
            machine,
        })
    }

    async fn token(&self, object: &RunnerHost) -> Result<String, Unready> {
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let named = &object.spec.credentials;
        let missing = |why: String| Unready {
            reason: "CredentialsMissing",
            message: format!(
                "key {} of secret {} cannot be read: {why}; the secret has to be in the namespace of the RunnerHost, and among the chart's hosts.secrets",
                named.key, named.secret_name
            ),
        };
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let found = secrets.get_opt(&named.secret_name).await;
        let found = found.map_err(|e| missing(e.to_string()))?;
        let found = found.ok_or_else(|| missing("there is none".to_owned()))?;
        let value = found.data.and_then(|data| data.get(&named.key).cloned());
        let value = value.and_then(|v| String::from_utf8(v.0).ok());
        let value = value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        value.ok_or_else(|| missing("it has no such key".to_owned()))
    }

    /// Listens to the runners of every machine while this replica leads, and writes down how the machines are.
    pub(super) async fn lead(&self, listening: &Listening, term: &Term) {
        let mut tasks = JoinSet::new();
        let mut relays: HashMap<String, (Arc<Entry>, AbortHandle)> = HashMap::new();
        let mut known = self.known.subscribe();
        let mut told = self.machines.watch();
        let mut look = tokio::time::interval(STATUS);
        loop {
            self.listen(&mut tasks, &mut relays, listening);
            tokio::select! {
                _ = known.changed() => {}
                _ = told.changed() => self.write(&told).await,
                _ = look.tick() => self.write(&told).await,
                () = term.ends() => return,
            }
        }
    }

    fn listen(
        &self,
        tasks: &mut JoinSet<()>,
        relays: &mut HashMap<String, (Arc<Entry>, AbortHandle)>,
        listening: &Listening,
    ) {
        let known = self.known.borrow().clone();
        relays.retain(|uid, (entry, task)| {
            let stays = known.get(uid).is_some_and(|k| Arc::ptr_eq(k, entry));
            if !stays {
                task.abort();
            }
            stays
        });
        for (uid, entry) in known {
            let Ok(client) = entry.machine.clone() else {
                continue;
            };
            relays.entry(uid).or_insert_with(|| {
                let relay = Relay {
                    host: entry.described.clone(),
                    client,
                    machines: self.machines.clone(),
                    door: listening.door.clone(),
                    store: listening.store.clone(),
                    logs: listening.logs.clone(),
                    waker: listening.waker.clone(),
                    lease: listening.lease,
                };
                (entry, tasks.spawn(relay.run()))
            });
        }
        while tasks.try_join_next().is_some() {}
    }

    /// Writes down how machines are, where that is news.
    async fn write(&self, told: &watch::Receiver<sandbox_core::plan::Hosts>) {
        let hosts = told.borrow().known.clone().unwrap_or_default();
        let objects = self.known.borrow().clone();
        for host in hosts {
            let Some(entry) = objects.get(&host.is.uid) else {
                continue;
            };
            let Some(health) = self.machines.health(&host.is.uid) else {
                continue;
            };
            let stands = self.machines.written(&host.is.uid);
            let before = stands.or_else(|| entry.object.status.clone());
            let before = before.unwrap_or_default();
            let generation = entry.object.metadata.generation;
            let after = status(&before, (&host, &health), generation, Timestamp::now());
            if after != before && self.put(&host, &after).await {
                self.machines.wrote(&host.is.uid, after);
            }
        }
    }

    async fn put(&self, host: &Host, status: &RunnerHostStatus) -> bool {
        let api: Api<RunnerHost> = Api::namespaced(self.client.clone(), &host.namespace);
        let patch = json!({"metadata": {"uid": host.is.uid}, "status": status});
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let put = api
            .patch_status(&host.is.name, &params, &Patch::Merge(patch))
            .await;
        if let Err(e) = &put {
            tracing::warn!(host = host.is.name, error = %e, "could not write down how a RunnerHost is");
        }
        put.is_ok()
    }
}

/// Whether nothing changed that is read here; a status is written by ourselves.
fn same(one: &RunnerHost, other: &RunnerHost) -> bool {
    one.spec == other.spec && one.metadata.labels == other.metadata.labels
}

fn described(object: &RunnerHost) -> Described {
    let metadata = &object.metadata;
    Described {
        is: HostRef {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
        },
        namespace: metadata.namespace.clone().unwrap_or_default(),
        labels: metadata.labels.clone().unwrap_or_default(),
        slots: object.spec.slots,
        unschedulable: object.spec.unschedulable,
    }
}

/// What is to be told of a machine. The time of its last answer moves once in a minute.
fn status(
    before: &RunnerHostStatus,
    (host, health): (&Host, &Health),
    generation: Option<i64>,
    now: Timestamp,
) -> RunnerHostStatus {
    let (word, reason, message) = match health {
        Ok(_) => ("True", "Answers", String::new()),
        Err(unready) if unready.reason == "Unknown" => {
            ("Unknown", unready.reason, unready.message.clone())
        }
        Err(unready) => ("False", unready.reason, unready.message.clone()),
    };
    let old = before.conditions.iter().find(|c| c.type_ == "Ready");
    let since = old.filter(|c| c.status == word);
    let condition = Condition {
        type_: "Ready".to_owned(),
        status: word.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: since.map_or(Time(now), |c| c.last_transition_time.clone()),
        observed_generation: generation,
    };
    let about = health.as_ref().ok();
    let fresh = |at: &Timestamp| now.duration_since(*at).as_secs() < SEEN;
    let seen = before.last_seen_at.filter(fresh);
    let most = |n: u32| n.min(host.slots);
    RunnerHostStatus {
        observed_generation: generation,
        conditions: vec![condition],
        last_seen_at: match about {
            Some(_) => seen.or(Some(now)),
            None => before.last_seen_at,
        },
        slots: about.map(|_| host.slots).or(before.slots),
        free_slots: Some(about.map_or(0, |a| most(a.free))),
        backends: about.map_or_else(|| before.backends.clone(), |a| a.backends.clone()),
        release: about.map_or_else(|| before.release.clone(), |a| Some(a.release.clone())),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::unnecessary_wraps,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;
    use crate::host::wire::{About, VERSION};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn host() -> Host {
        Host {
            slots: 2,
            ..Host::default()
        }
    }

    fn answers(free: u32) -> Health {
        Ok(About {
            version: VERSION,
            release: "1.0.0".to_owned(),
            instance: "i".to_owned(),
            backends: Vec::new(),
            slots: 8,
            free,
            now: at(0),
        })
    }

    fn silent() -> Health {
        Err(Unready {
            reason: "Unreachable",
            message: "no answer; open its port".to_owned(),
        })
    }

    #[test]
    fn a_machine_that_answers_is_ready_with_the_slots_that_the_object_allows() {
        let status = status(
            &RunnerHostStatus::default(),
            (&host(), &answers(7)),
            Some(3),
            at(0),
        );
        assert_eq!((status.slots, status.free_slots), (Some(2), Some(2)));
        assert_eq!(status.conditions[0].status, "True");
        assert_eq!(status.last_seen_at, Some(at(0)));
        assert_eq!(status.observed_generation, Some(3));
    }

    #[test]
    fn a_machine_that_falls_silent_keeps_when_it_was_seen_and_says_why_it_is_not_ready() {
        let before = status(
            &RunnerHostStatus::default(),
            (&host(), &answers(1)),
            None,
            at(0),
        );
        let after = status(&before, (&host(), &silent()), None, at(100));
        assert_eq!(after.last_seen_at, Some(at(0)));
        assert_eq!((after.slots, after.free_slots), (Some(2), Some(0)));
        let told = &after.conditions[0];
        assert_eq!((&*told.status, &*told.reason), ("False", "Unreachable"));
        assert_eq!(told.last_transition_time, Time(at(100)));
    }

    #[test]
    fn nothing_is_written_while_nothing_but_a_little_time_has_passed() {
        let before = status(
            &RunnerHostStatus::default(),
            (&host(), &answers(1)),
            None,
            at(0),
        );
        assert_eq!(
            status(&before, (&host(), &answers(1)), None, at(SEEN - 1)),
            before
        );
        assert_ne!(
            status(&before, (&host(), &answers(1)), None, at(SEEN)),
            before
        );
    }
}
