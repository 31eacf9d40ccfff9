//! A namespace with processes of the operator over its objects: what they know, and what they are told.

use std::{sync::Arc, time::Duration};

use kube::Client;
use sandbox_core::{
    AgentJob, Uid,
    port::{Change, Created, Seats, Store, Write},
    spec::BackendName,
    status::Intent,
};
use sandbox_operator::store::kube::Scope;
use sandbox_tests::{cluster::bed::Process, contract::store::a_job};
use tokio::sync::mpsc;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// One process, and what it is told that others have changed.
pub struct Told {
    pub process: Process,
    told: mpsc::UnboundedReceiver<Uid>,
}

impl Told {
    /// A process that follows this namespace.
    pub async fn start(client: Client, namespace: &str) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let scope = Scope::Namespaces(vec![namespace.to_owned()]);
        let tell: sandbox_operator::store::kube::Told = Arc::new(move |uid| {
            let _ = tell.send(uid.clone());
        });
        let process = Process::start(client, scope, tell).await;
        Self { process, told }
    }

    /// Waits until this is so, looking again whenever something was told.
    pub async fn until(&mut self, what: &str, mut is: impl FnMut(&Process) -> bool) {
        let waits = async {
            while !is(&self.process) {
                self.told.recv().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waits).await;
        assert!(waited.is_ok(), "waited in vain until {what}");
    }

    /// Waits until it knows this job.
    pub async fn knows(&mut self, name: &str) -> AgentJob {
        self.until("the job is known", |p| named(p, name).is_some())
            .await;
        named(&self.process, name).unwrap()
    }
}

/// The job of this name, as the process knows it.
pub fn named(process: &Process, name: &str) -> Option<AgentJob> {
    let all = process.objects.all().into_iter();
    all.into_iter().find(|j| j.name() == name)
}

/// A job that a face submitted.
pub async fn submitted(store: &dyn Store, namespace: &str, name: &str) -> AgentJob {
    match store.create(a_job(namespace, name), None).await.unwrap() {
        Created::New(job) | Created::Existing(job) => job,
    }
}

/// The job with something changed.
pub fn put(job: &AgentJob, change: impl FnOnce(&mut AgentJob)) -> Change {
    let mut job = job.clone();
    change(&mut job);
    Change {
        write: Write::Put(Box::new(job)),
        holds: None,
        events: Vec::new(),
    }
}

/// Attempt 1 is starting.
pub fn started(job: &mut AgentJob) {
    let status = job.status.get_or_insert_default();
    status.attempt = 1;
    status.intent = Some(Intent {
        backend: BackendName::Vps,
        at: jiff::Timestamp::now(),
        deadline_at: jiff::Timestamp::now(),
        choice: 0,
        launch: None,
        not_before: None,
        slots: 1,
        claim: None,
        prepared_at: None,
        vanished_at: None,
    });
}

/// It is over, and memory has it.
pub fn over(job: &mut AgentJob) {
    let status = job.status.get_or_insert_default();
    status.intent = None;
    status.outcome = Some(sandbox_core::Outcome::Succeeded);
    let why = ("Recorded", "memory has the outcome");
    status.set_condition("Recorded", "True", why, jiff::Timestamp::now());
}

/// Store and seats of a process.
pub fn ports(process: &Process) -> (Arc<dyn Store>, Arc<dyn Seats>) {
    (process.store(), process.seats())
}
