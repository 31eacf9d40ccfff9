//! What is done while this replica leads: the control loop and the sweep, over the jobs that all replicas know.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use sandbox_core::{
    Uid,
    plan::{Limits, Sites},
    port::{Answer, Store},
    reconcile::Ports,
};
use tokio::sync::{mpsc, watch};

use super::{
    hosts::{Listening, RunnerHosts},
    leading::{Led, Switch},
};
use crate::{
    backend::remote::Machines,
    control::{self, Control, Waker},
    counts::{Counted, Reconciles},
    lead::Term,
    store::kube::Objects,
    sweep,
};

/// How soon it is tried again where the jobs cannot be read.
const AGAIN: Duration = Duration::from_secs(2);

/// Whatever a leader needs. It is there whether this replica leads or not.
pub(super) struct Leader {
    pub(super) objects: Arc<Objects>,
    pub(super) ports: Ports,
    pub(super) limits: Limits,
    pub(super) concurrency: usize,
    pub(super) switch: Switch,
    pub(super) reconciles: Arc<Reconciles>,
    pub(super) leads: Gauge,
    pub(super) machines: Arc<Machines>,
    pub(super) hosts: Arc<RunnerHosts>,
    pub(super) listening: Listening,
}

impl Leader {
    /// Reconciles until the term ends; looks under way are finished first.
    pub(super) async fn work(self: Arc<Self>, term: Term) {
        self.leads.set(1);
        tokio::select! {
            () = self.objects.ready() => {}
            () = term.ends() => {}
        }
        while term.lasts() {
            let Err(e) = self.take_up(&term).await else {
                break;
            };
            tracing::warn!(error = %e, "could not take up the jobs that are not over; trying again");
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = term.ends() => break,
            }
        }
        self.switch.set(None);
        self.leads.set(0);
    }

    /// Begins where the leader before ended: what it wrote last may not have come here by the watch.
    async fn take_up(&self, term: &Term) -> Answer<()> {
        tokio::select! {
            known = self.objects.take_in_held() => known?,
            () = term.ends() => return Ok(()),
        }
        self.reconcile(term).await
    }

    async fn reconcile(&self, term: &Term) -> Answer<()> {
        let (waker, calls) = Waker::new();
        self.switch.set(Some(waker.clone()));
        let store: Arc<dyn Store> = Arc::new(Led::new(self.ports.store.clone(), term.clone()));
        let swept = sweep::run(store.clone(), self.limits.ttl, waker.clone());
        let called = self.call_waiting(&waker);
        let (gone, left) = mpsc::unbounded_channel();
        let forgot = self.forget(left);
        // Looks under way are finished when the term is over; nobody needs machines for long then.
        let heard = async {
            self.hosts.lead(&self.listening, term).await;
            std::future::pending::<()>().await;
        };
        let control = Control {
            ports: Ports {
                store,
                ..self.ports.clone()
            },
            limits: self.limits.clone(),
            sites: watch::Sender::new(Sites::default()).subscribe(),
            hosts: self.machines.watch(),
            clock: Timestamp::now,
            concurrency: self.concurrency,
            at_rest: Arc::new(move |uid, rest| {
                if rest.reason.is_none() {
                    // Nobody hears it where the term is over; then the next leader's list lacks the job, too.
                    let _ = gone.send(uid.clone());
                }
            }),
            counts: self.reconciles.clone(),
        };
        tokio::select! {
            looped = control::run(control, calls, term.ends()) => looped,
            () = swept => Ok(()),
            () = heard => Ok(()),
            () = called => Ok(()),
            () = forgot => Ok(()),
        }
    }

    /// Forgets what the seats of jobs left whose objects are gone: whoever removes one that is over by hand asks nobody. The
    /// register of a seat goes with the object itself.
    async fn forget(&self, mut gone: mpsc::UnboundedReceiver<Uid>) {
        while let Some(uid) = gone.recv().await {
            if let Err(e) = self.ports.seats.discard(&uid).await {
                tracing::warn!(job = %uid, error = %e, "what a job left that is gone stays");
            }
        }
    }

    /// Has those that wait for a machine looked at when machines have changed.
    async fn call_waiting(&self, waker: &Waker) {
        let mut machines = self.machines.watch();
        while machines.changed().await.is_ok() {
            for job in self.objects.all() {
                let status = job.status();
                let waits = !status.is_finished() && status.intent.is_none();
                let named = job
                    .spec
                    .backend
                    .as_ref()
                    .is_some_and(|b| machines.borrow().have(b.name));
                if waits
                    && named
                    && let Ok(uid) = job.uid()
                {
                    waker.wake(&uid);
                }
            }
        }
    }

    /// Puts who leads where it is read.
    pub(super) fn counted(leads: &Gauge) -> Counted {
        let leads = leads.clone();
        Arc::new(move |registry| {
            let about = "Whether this replica leads";
            registry.register("sandbox_leader", about, leads.clone());
        })
    }
}
