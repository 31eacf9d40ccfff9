//! A store and seats on a real API server, with nothing in them. The contract's promises name their tenants, so one
//! test at a time has the shared control plane.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use object_store::memory::InMemory;
use sandbox_core::{
    AgentJob,
    port::{Seats, Store},
};
use sandbox_operator::{
    seats::kube::KubeSeats,
    store::kube::{KubeStore, Objects, Scope, Told},
};
use serde_json::json;
use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinHandle,
};

use super::Cluster;
use crate::flow::{
    story::Story,
    world::{Records, World},
};

/// The tenant of stories.
const TEAM: &str = "team-a";
/// The tenants that promises and stories name.
pub const TENANTS: [&str; 3] = ["a", "b", TEAM];
/// How long a runner may work after a heartbeat.
pub const LEASE: Duration = Duration::from_mins(10);

static ALONE: Mutex<()> = Mutex::const_new(());

/// The control plane for one test at a time, empty.
pub struct Bed {
    cluster: Arc<Cluster>,
    client: Client,
    _alone: MutexGuard<'static, ()>,
}

/// One process's view of the objects; it ends with this value.
pub struct Process {
    /// What it knows.
    pub objects: Arc<Objects>,
    follower: JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Bed {
    /// Waits for its turn and empties the tenants.
    pub async fn new(cluster: &Arc<Cluster>) -> Self {
        let alone = ALONE.lock().await;
        let client = cluster.client().await.unwrap();
        empty(&client).await;
        Self {
            cluster: Arc::clone(cluster),
            client,
            _alone: alone,
        }
    }

    /// The control plane.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// A process of its own that knows all objects.
    pub async fn process(&self) -> Process {
        Process::start(self.client.clone(), Scope::All, Arc::new(|_| {})).await
    }

    /// A world of a story whose records are objects.
    pub async fn world(&self, story: &Story) -> World {
        Objectively::world(story, self.client.clone(), self.client.clone()).await
    }

    /// Removes every job, as nobody but a test may.
    pub async fn empty(&self) {
        empty(&self.client).await;
    }
}

impl Process {
    /// Follows the objects of a scope with this client, and tells of those that others change.
    pub async fn start(client: Client, scope: Scope, told: Told) -> Self {
        let objects = Objects::new(client, scope);
        let following = Arc::clone(&objects).follow(told);
        let follower = tokio::spawn(async move {
            following.await.unwrap();
        });
        objects.ready().await;
        Self { objects, follower }
    }

    /// Waits until it knows what the API server has now: the list that it began with may be a little older, and nobody
    /// in a story listens to what the watch tells.
    async fn catches_up(&self, client: &Client) {
        let all: Api<AgentJob> = Api::namespaced(client.clone(), TEAM);
        let version = |job: &AgentJob| (job.uid().unwrap(), job.version());
        loop {
            let there = all.list(&ListParams::default()).await.unwrap();
            let there: BTreeMap<_, _> = there.iter().map(version).collect();
            let known = self.objects.all().iter().map(version).collect();
            if there == known {
                return;
            }
        }
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> Arc<KubeStore> {
        Arc::new(KubeStore::new(Arc::clone(&self.objects)))
    }

    /// Its seats as a door has them, with large reports in its memory.
    #[must_use]
    pub fn seats(&self) -> Arc<KubeSeats> {
        Arc::new(self.new_seats())
    }

    /// The same as the reconciler has them.
    #[must_use]
    pub fn seats_of_the_leader(&self) -> Arc<KubeSeats> {
        Arc::new(self.new_seats().trusting_memory())
    }

    fn new_seats(&self) -> KubeSeats {
        let results = Arc::new(InMemory::new());
        KubeSeats::new(Arc::clone(&self.objects), LEASE, results)
    }
}

/// The records of stories as objects: each node that starts is a process of its own.
pub struct Objectively {
    client: Client,
    onlooker: Client,
    process: Mutex<Option<Process>>,
}

#[async_trait]
impl Records for Objectively {
    async fn open(&self) -> (Arc<dyn Store>, Arc<dyn Seats>) {
        let scope = Scope::Namespaces(vec![TEAM.to_owned()]);
        let process = Process::start(self.client.clone(), scope, Arc::new(|_| {})).await;
        process.catches_up(&self.onlooker).await;
        let open: (Arc<dyn Store>, Arc<dyn Seats>) =
            (process.store(), process.seats_of_the_leader());
        *self.process.lock().await = Some(process);
        open
    }
}

impl Objectively {
    /// A world with this client to the API server, where no job of the story's name is. The other client is the test's.
    pub async fn world(story: &Story, client: Client, onlooker: Client) -> World {
        let process = Mutex::default();
        let records = Arc::new(Self {
            client,
            onlooker,
            process,
        });
        let open = records.open().await;
        World::with(story, records, open)
    }
}

async fn empty(client: &Client) {
    for tenant in TENANTS {
        let api: Api<AgentJob> = Api::namespaced(client.clone(), tenant);
        for job in api.list(&ListParams::default()).await.unwrap() {
            let name = job.metadata.name.unwrap();
            let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            let _ = api.patch(&name, &PatchParams::default(), &free).await;
            let _ = api.delete(&name, &DeleteParams::default()).await;
        }
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": tenant}})).unwrap();
        let _ = namespaces.create(&PostParams::default(), &namespace).await;
    }
}
