//! Hears of our pods: what is new has its job looked at.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, future::join_all};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use sandbox_core::Seat;

use super::{PodBackend, cache::Census, conf::JOB_LABEL, found::Found};

impl PodBackend {
    /// Watches our pods, for ever.
    pub async fn follow(self: Arc<Self>) {
        let scopes: Vec<Option<String>> = match &self.conf.namespaces[..] {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        let left = AtomicUsize::new(scopes.len());
        join_all(scopes.iter().map(|s| self.follow_one(s.as_deref(), &left))).await;
    }

    async fn follow_one(&self, namespace: Option<&str>, left: &AtomicUsize) {
        let pods: Api<Pod> = match namespace {
            Some(namespace) => self.pods(namespace),
            None => Api::all(self.client.clone()),
        };
        let ours = watcher::Config::default().labels(JOB_LABEL);
        let mut told = std::pin::pin!(watcher(pods, ours).default_backoff());
        let (mut census, mut first) = (Census::begin(), true);
        while let Some(event) = told.next().await {
            match event {
                Ok(Event::Init) => census = Census::begin(),
                Ok(Event::InitApply(pod)) => {
                    self.tell(self.cache.count(&mut census, Found::read(&pod)));
                }
                Ok(Event::InitDone) => {
                    for seat in self.cache.counted(&census, namespace) {
                        self.tell(Some(seat));
                    }
                    if std::mem::take(&mut first) && left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        self.cache.is_synced();
                    }
                }
                Ok(Event::Apply(pod)) => self.tell(self.cache.put(Found::read(&pod))),
                Ok(Event::Delete(pod)) => self.tell(self.cache.gone(Found::read(&pod))),
                Err(e) => tracing::warn!(error = %e, "the watch of pods broke; watching again"),
            }
        }
    }

    fn tell(&self, seat: Option<Seat>) {
        if let Some(seat) = seat {
            self.waker.wake(&seat.uid);
        }
    }
}
