//! The election as it runs: looks at the Lease, decides, writes, and has the work of the leader done while it leads.
//!
//! It has a client of its own: what the rest of the program asks of the API server must not keep it from renewing.

use std::{pin::pin, time::Duration};

use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Config,
    api::{PostParams, WatchParams},
    core::WatchEvent,
};
use tokio::sync::watch;

use super::{
    clock::{Moment, now},
    decide::{Candidate, Decision, Record, Terms},
    record::{read, write},
    term::Term,
};

/// Most tries to give the lease back.
const RELEASES: u32 = 3;

type Told = BoxStream<'static, kube::Result<WatchEvent<Lease>>>;

/// One candidate for one Lease.
pub struct Election {
    leases: Api<Lease>,
    lease: String,
    terms: Terms,
    candidate: Candidate,
    /// The object of the record that was seen; where it is missing, the last that stood.
    object: Option<Lease>,
    told: Option<Told>,
}

impl Election {
    /// A candidate for the Lease of this namespace and name, which is made where it is missing.
    ///
    /// # Errors
    /// No client can be made of this configuration.
    pub fn new(
        mut config: Config,
        (namespace, lease): (&str, &str),
        me: String,
        terms: Terms,
    ) -> kube::Result<Self> {
        // What is tried again is decided here, not in the client.
        config.default_retry = false;
        config.connect_timeout = Some(terms.retry);
        Ok(Self {
            leases: Api::namespaced(Client::try_from(config)?, namespace),
            lease: lease.to_owned(),
            terms,
            candidate: Candidate::new(me, terms),
            object: None,
            told: None,
        })
    }

    /// Takes part until `stop` says so; gives the lease back then, if it has it. `work` is done while it leads: it
    /// ends soon after its term does, and the next one does not begin before.
    pub async fn run<W: Future<Output = ()>>(
        mut self,
        mut stop: watch::Receiver<bool>,
        work: impl Fn(Term) -> W,
    ) {
        while let Some(number) = self.win(&mut stop).await {
            let (end, ending) = watch::channel(false);
            let term = Term::new(number, ending);
            term.lasts_until(self.candidate.leads_until());
            tracing::info!(me = self.candidate.name(), term = number, "leading");
            self.lead(&term, end, (&mut stop, work(term.clone()))).await;
            self.candidate.resign();
            term.lasts_until(None);
            if is_over(&stop) {
                return self.release().await;
            }
            tokio::time::sleep(self.terms.retry).await;
        }
    }

    /// Waits to lead; gives the term, or nothing where it is to stop.
    async fn win(&mut self, stop: &mut watch::Receiver<bool>) -> Option<u32> {
        loop {
            if is_over(stop) {
                return None;
            }
            // Not cut off: a write that was sent and forgotten would have others wait for nobody.
            self.step().await;
            if let Some(term) = self.candidate.leads(now()) {
                return Some(term);
            }
            let pause = self.pause();
            tokio::select! {
                () = self.changed(pause) => {}
                _ = stop.wait_for(|is| *is) => {}
            }
        }
    }

    /// Renews until the work is over. The term ends where it cannot be renewed or it is to stop; in the second case it
    /// is renewed for as long as the work takes to end.
    async fn lead(
        &mut self,
        term: &Term,
        end: watch::Sender<bool>,
        (stop, work): (&mut watch::Receiver<bool>, impl Future<Output = ()>),
    ) {
        let mut work = pin!(work);
        let lapsed = tokio::select! {
            () = &mut work => false,
            () = self.keep(term) => true,
            _ = stop.wait_for(|is| *is) => false,
        };
        end.send_replace(true);
        if lapsed {
            tracing::warn!(
                term = term.number(),
                "could not renew in time; leads no more"
            );
            return work.await;
        }
        tokio::select! {
            () = &mut work => {}
            () = self.keep(term) => work.await,
        }
    }

    /// Renews until it could not for too long.
    async fn keep(&mut self, term: &Term) {
        loop {
            let until = self.candidate.leads_until().unwrap_or_default();
            let pause = self.terms.retry;
            let turn = async {
                tokio::time::sleep(pause).await;
                self.step().await;
            };
            // Whether or not there was an answer: then it is over.
            let _ = tokio::time::timeout(until.saturating_sub(now()), turn).await;
            term.lasts_until(self.candidate.leads_until());
            if self.candidate.leads(now()) != Some(term.number()) {
                return;
            }
        }
    }

    /// Looks where that is needed, decides, and does it.
    async fn step(&mut self) {
        let done = match self.candidate.leads(now()) {
            // What stands there is known; where it is not, the write says so.
            Some(_) => self.act().await,
            None => match self.look().await {
                Ok(()) => self.act().await,
                Err(e) => Err(e),
            },
        };
        if let Err(e) = done {
            tracing::debug!(error = %e, "could not read or write the lease; trying again");
            // Perhaps somebody else has written; the next decision is about that.
            if let Err(e) = self.look().await {
                tracing::debug!(error = %e, "could not read the lease");
            }
        }
    }

    async fn look(&mut self) -> Result<(), Trouble> {
        let found = bounded(self.terms, self.leases.get_opt(&self.lease)).await?;
        let record = found.as_ref().map(|lease| read(lease, self.terms.lease));
        self.object = found.or_else(|| self.object.take());
        self.candidate.saw(record.unwrap_or_default(), now());
        Ok(())
    }

    async fn act(&mut self) -> Result<(), Trouble> {
        let decision = self.candidate.decide(now());
        let record = decision.and_then(|d| self.candidate.written(d));
        match record {
            Some(record) => self.put(&record).await,
            None => Ok(()),
        }
    }

    /// Writes this over what was seen, or not at all.
    async fn put(&mut self, record: &Record) -> Result<(), Trouble> {
        let sent = now();
        let mut lease = write(self.object.clone(), record, Timestamp::now());
        let params = PostParams::default();
        let written = if record.version.is_some() {
            let replaced = self.leases.replace(&self.lease, &params, &lease);
            bounded(self.terms, replaced).await?
        } else {
            lease.metadata = anew(lease.metadata, &self.lease);
            let created = self.leases.create(&params, &lease);
            bounded(self.terms, created).await?
        };
        let stands = read(&written, self.terms.lease);
        self.object = Some(written);
        self.candidate.wrote(stands, sent, now());
        Ok(())
    }

    /// Gives the lease back, so that nobody waits for it to run out.
    async fn release(&mut self) {
        for _ in 0..RELEASES {
            if self.look().await.is_err() {
                continue;
            }
            let Some(seen) = self.candidate.seen().cloned() else {
                return;
            };
            if seen.holder.as_deref() != Some(self.candidate.name()) {
                return;
            }
            let free = Record {
                holder: None,
                lease: Duration::ZERO,
                ..seen
            };
            if self.put(&free).await.is_ok() {
                tracing::info!("gave the lease back");
                return;
            }
        }
        tracing::warn!("could not give the lease back; others wait until it runs out");
    }

    /// How long to wait for a change at most: until whoever leads may be taken for gone.
    fn pause(&self) -> Duration {
        let retry = spread(self.terms.retry);
        match self.candidate.decide(now()) {
            Some(Decision::Wait(until)) => retry.min(until.saturating_sub(now())),
            _ => retry,
        }
    }

    /// Resolves when the Lease was written to, or after this time.
    async fn changed(&mut self, pause: Duration) {
        let within: Moment = now() + pause;
        let heard = tokio::time::timeout(pause, self.hear()).await;
        if let Ok(false) = heard {
            self.told = None;
            tokio::time::sleep(within.saturating_sub(now())).await;
        }
    }

    /// Whether something was heard; not where nothing can be.
    async fn hear(&mut self) -> bool {
        if self.told.is_none() {
            let here = WatchParams::default().fields(&format!("metadata.name={}", self.lease));
            let version = self.candidate.seen().and_then(|r| r.version.clone());
            let told = self.leases.watch(&here, &version.unwrap_or_default()).await;
            self.told = told.ok().map(StreamExt::boxed);
        }
        match &mut self.told {
            Some(told) => matches!(told.next().await, Some(Ok(_))),
            None => false,
        }
    }
}

/// What an object is made with in the place of this one: its marks stay, for whoever keeps them.
fn anew(before: ObjectMeta, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: before.labels,
        annotations: before.annotations,
        ..ObjectMeta::default()
    }
}

/// No call takes longer than half of what is left to a leader that cannot renew.
async fn bounded<T>(
    terms: Terms,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Trouble> {
    let answered = tokio::time::timeout(terms.renew / 2, call).await;
    Ok(answered.map_err(|_| Trouble::Silent)??)
}

/// Why the lease could not be read or written.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the API server did not answer in time")]
    Silent,
    #[error(transparent)]
    Api(#[from] kube::Error),
}

/// Whether it is to stop, or whoever would say so is gone.
fn is_over(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

/// A little more than this, a different little each time: candidates that began together do not ask together.
fn spread(time: Duration) -> Duration {
    let [.., random] = *uuid::Uuid::new_v4().as_bytes();
    time + time * u32::from(random) / (5 * 256)
}
