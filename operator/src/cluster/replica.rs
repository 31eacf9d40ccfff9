//! One replica as it runs: serves until it is told to stop, reconciles while it leads, and ends in good order.

use std::{net::TcpListener, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use prometheus_client::metrics::gauge::Gauge;
use sandbox_core::{
    Uid,
    plan::{Hosts, Limits, REMOVE_WITHIN, Sites},
    reconcile::Ports,
    spec::BackendName,
};
use sandbox_elf::Elf;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{
    door::Tls,
    hosts::{Listening, RunnerHosts},
    leader::Leader,
    leading::Switch,
    operator::{Jobs, LEASE, Listeners, Way},
    probes,
    settings::Settings,
};
use crate::{
    artifacts::{Artifacts, beside_reports},
    backend::pod::AUDIENCE,
    checks::Checks,
    counts::Reconciles,
    face::{
        Faced, HttpLimits, Services,
        http::{Face, auth::Keys},
        mcp::{Door, Limited, Tools},
        rate::Bounds,
        seat::{Ours, Passes, Reviews, SeatDoor, router},
    },
    lead::Election,
    secrets::Secrets,
};

/// How long a pod may take from its start to its claim, and a claimed one may show nothing.
const CLAIM_WITHIN: Duration = Duration::from_mins(5);
const VANISH_GRACE: Duration = Duration::from_secs(30);
/// How long memory is asked to keep an outcome.
const RECORD_WITHIN: Duration = Duration::from_mins(10);

const UNKNOWN: &str = "the jobs of the cluster are not known yet";
const STOPPING: &str = "stopping";

/// The opened parts.
pub(super) struct Replica {
    pub(super) settings: Settings,
    pub(super) way: Way,
    pub(super) tls: Tls,
    pub(super) keys: Keys,
    pub(super) elf: Arc<Elf>,
    pub(super) jobs: Jobs,
    pub(super) bounds: Arc<Bounds>,
    pub(super) checks: Arc<Checks>,
    pub(super) secrets: Option<Arc<dyn Secrets>>,
    pub(super) leads: Gauge,
    pub(super) reconciles: Arc<Reconciles>,
}

impl Replica {
    /// Runs until `stop` resolves.
    ///
    /// # Errors
    /// A part came to an end by itself.
    pub(super) async fn run(
        self,
        listeners: Listeners,
        stop: impl Future<Output = ()>,
    ) -> Result<()> {
        let (stopping, stopped) = watch::channel(false);
        let missing = watch::Sender::new(Some(UNKNOWN));
        let face = Face::new(self.services());
        let (over, probed) = answer_probes(listeners.probes, &face, missing.subscribe());
        let switch = Switch::default();
        let mut parts: JoinSet<Result<()>> = JoinSet::new();
        let hosts = self.runner_hosts();
        parts.spawn(self.elect((&switch, &hosts), stopped.clone())?);
        parts.spawn(follow_hosts(hosts, stopped.clone()));
        parts.spawn(self.serve_runners(listeners.seat, &stopped));
        parts.spawn(serve_api(face, listeners.api, stopped.clone()));
        parts.spawn(self.know_jobs(missing.clone(), switch, stopped));
        let first = tokio::select! {
            () = stop => Ok(()),
            Some(ended) = parts.join_next() => ended.context("a part of the operator panicked")?,
        };
        tracing::info!("stopping; jobs go on without this process");
        missing.send_replace(Some(STOPPING));
        stopping.send_replace(true);
        let rest = parts.join_all().await;
        over.send_replace(true);
        probed.await.context("the probes panicked")??;
        rest.into_iter().fold(first, Result::and)
    }

    fn limits(&self) -> Limits {
        let jobs = &self.settings.jobs;
        Limits {
            backend: BackendName::Pod,
            slots: jobs.slots,
            slots_held: 0,
            ahead: 0,
            wanted_ahead: 0,
            claim_within: CLAIM_WITHIN,
            vanish_grace: VANISH_GRACE,
            lease: Some(LEASE),
            deadline: jobs.deadline,
            record_within: RECORD_WITHIN,
            remove_within: REMOVE_WITHIN,
            ttl: jobs.ttl_after_finished.0,
            sites: Sites::default(),
            hosts: Hosts::default(),
            pause: None,
        }
    }

    fn tools(&self) -> Arc<dyn Tools> {
        Arc::new(Limited::new(self.elf.clone(), self.bounds.clone()))
    }

    /// Everything the API reaches.
    fn services(&self) -> Services {
        let (jobs, doors) = (&self.jobs, &self.settings.doors);
        let limits = HttpLimits {
            deadline: self.settings.jobs.deadline,
            queue: self.settings.jobs.queue_limit,
            hosts: doors.host_names.clone(),
            ..HttpLimits::default()
        };
        Services {
            store: jobs.ports.store.clone(),
            seats: jobs.ports.seats.clone(),
            backends: jobs.ports.backends.clone(),
            site: None,
            backend: BackendName::Pod,
            waker: jobs.waker.clone(),
            events: jobs.writes.clone(),
            keys: self.keys.clone(),
            workspace_root: self.settings.data_dir.join("workspace"),
            artifacts_root: self.settings.data_dir.join("artifacts"),
            artifacts: Some(Artifacts::new(self.jobs.files.clone(), beside_reports)),
            elf: Some(Arc::new(Faced(self.elf.clone()))),
            book: Some(self.elf.clone()),
            intake: None,
            bounds: self.bounds.clone(),
            counted: vec![
                self.reconciles.counted(),
                Leader::counted(&self.leads),
                self.way.requests.counted(),
                jobs.events.counted(),
            ],
            mcp: Some(Door::of_memory(self.tools(), limits.body)),
            tools: Some(self.tools()),
            limits,
        }
    }

    /// Takes part in the election, and does the leader's work while this replica leads.
    fn elect(
        &self,
        (switch, hosts): (&Switch, &Arc<RunnerHosts>),
        stopped: watch::Receiver<bool>,
    ) -> Result<impl Future<Output = Result<()>> + use<>> {
        let lead = &self.settings.lead;
        let place = (&*self.way.namespace, &*lead.lease_name);
        // Another one each time that it runs: what an earlier run held is not ours.
        let me = format!("{}_{}", self.way.identity, uuid::Uuid::new_v4());
        let election = Election::new(self.way.config.clone(), place, me, lead.terms()?)?;
        let leader = Arc::new(Leader {
            objects: self.jobs.objects.clone(),
            ports: Ports {
                seats: self.jobs.leaders_seats.clone(),
                ..self.jobs.ports.clone()
            },
            limits: self.limits(),
            concurrency: self.settings.jobs.concurrency.into(),
            switch: switch.clone(),
            reconciles: self.reconciles.clone(),
            leads: self.leads.clone(),
            machines: self.jobs.machines.clone(),
            hosts: hosts.clone(),
            listening: Listening {
                door: router(self.seat_door(None)),
                store: self.jobs.ports.store.clone(),
                logs: self.jobs.files.clone(),
                waker: self.jobs.waker.clone(),
                lease: LEASE,
            },
        });
        Ok(async move {
            let work = |term| Arc::clone(&leader).work(term);
            Box::pin(election.run(stopped, work)).await;
            Ok(())
        })
    }

    fn runner_hosts(&self) -> Arc<RunnerHosts> {
        let namespaces = self.settings.watch_namespaces.clone();
        let machines = self.jobs.machines.clone();
        Arc::new(RunnerHosts::new(
            self.way.client.clone(),
            namespaces,
            machines,
        ))
    }

    /// The seat service: for whoever shows a pass, or for those whom somebody else has let in.
    fn seat_door(&self, passes: Option<Arc<dyn Passes>>) -> SeatDoor {
        SeatDoor {
            store: self.jobs.ports.store.clone(),
            seats: self.jobs.ports.seats.clone(),
            memory: self.jobs.ports.memory.clone(),
            tools: Some(self.tools()),
            waker: self.jobs.waker.clone(),
            deadline: self.settings.jobs.deadline,
            claimed: Arc::new(|_, _| {}),
            may_claim: true,
            passes,
            artifacts: Some(Artifacts::new(self.jobs.files.clone(), beside_reports)),
            lease: Some(LEASE),
            checks: self.checks.clone(),
            secrets: self.secrets.clone(),
        }
    }

    /// Serves runners, and keeps the certificate they know.
    fn serve_runners(
        &self,
        listener: TcpListener,
        stopped: &watch::Receiver<bool>,
    ) -> impl Future<Output = Result<()>> + use<> {
        let reviews = Reviews::new(self.way.client.clone(), AUDIENCE);
        let passes = Ours::or(self.tls.tokens().clone(), Arc::new(reviews));
        let door = self.seat_door(Some(Arc::new(passes)));
        let tls = self.tls.clone();
        let served = tls.serve(listener, router(door), until(stopped.clone()));
        async move {
            tokio::select! {
                served = served => served,
                () = tls.follow() => {
                    tracing::info!("the seat service has a new authority; starting again with it");
                    Ok(())
                }
            }
        }
    }

    /// Knows all jobs, and has the leader look at those that somebody wrote.
    fn know_jobs(
        self,
        missing: watch::Sender<Option<&'static str>>,
        switch: Switch,
        stopped: watch::Receiver<bool>,
    ) -> impl Future<Output = Result<()>> {
        let Jobs {
            objects,
            waker,
            calls,
            bell,
            ..
        } = self.jobs;
        let told = Arc::new(move |uid: &Uid| {
            bell.send_modify(|n| *n += 1);
            waker.wake(uid);
        });
        let known = objects.clone();
        let ready = async move {
            known.ready().await;
            missing.send_if_modified(|what| {
                let first = *what == Some(UNKNOWN);
                *what = what.filter(|_| !first);
                first
            });
            std::future::pending::<()>().await;
        };
        async move {
            tokio::select! {
                followed = objects.follow(told) => followed.context("followed the jobs"),
                () = switch.pass(calls) => Ok(()),
                () = ready => Ok(()),
                () = until(stopped) => Ok(()),
            }
        }
    }
}

/// Answers probes until the sender says that all else is over.
fn answer_probes(
    listener: TcpListener,
    face: &Face,
    missing: probes::Missing,
) -> (watch::Sender<bool>, JoinHandle<Result<()>>) {
    let (over, told) = watch::channel(false);
    let router = probes::router(missing, face.metrics());
    let serve = probes::serve(listener, router, until(told));
    (over, tokio::spawn(serve))
}

async fn serve_api(
    face: Face,
    listener: TcpListener,
    stopped: watch::Receiver<bool>,
) -> Result<()> {
    let served = face.serve(listener, until(stopped)).await;
    served.context("served the API")
}

/// Knows the machines outside of the cluster.
async fn follow_hosts(hosts: Arc<RunnerHosts>, stopped: watch::Receiver<bool>) -> Result<()> {
    tokio::select! {
        () = hosts.follow() => Ok(()),
        () = until(stopped) => Ok(()),
    }
}

/// Resolves when this is said, or nobody can say it any more.
async fn until(mut said: watch::Receiver<bool>) {
    let _ = said.wait_for(|is| *is).await;
}
