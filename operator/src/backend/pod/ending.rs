//! Ending a seat's pod. One that runs is given its last second by the kubelet, which stays to tell how it
//! ended and what it printed; then it is removed, its log kept. Only one that is ours is touched.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use sandbox_core::{
    Seat,
    port::{Answer, PortError},
};
use serde_json::json;

use super::{
    PodBackend,
    cache::Entry,
    found::{Found, Stage, instance},
};

/// How long the kubelet may take beyond the grace until a pod is deleted that was told to end.
const SLACK: Duration = Duration::from_secs(15);
/// The grace of a pod that is removed while it runs, in seconds: its end was decided before.
const LAST: u32 = 1;
/// How long a removed pod may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// How often the API server is asked meanwhile, where the watch says nothing.
const ASK: Duration = Duration::from_secs(1);

impl PodBackend {
    /// Asks the seat's pod to end unless it is to stay.
    pub(super) async fn stop_seat(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        let Some(found) = self.there(seat).await? else {
            return Ok(());
        };
        if keep == Some(instance(&found.uid).as_str()) || found.is_leaving() {
            return Ok(());
        }
        match found.stage(Timestamp::now()) {
            Stage::Over => Ok(()),
            Stage::Runs if !self.was_asked(&found) => self.ask_to_end(&found).await,
            Stage::Before(..) | Stage::Runs | Stage::Hidden(_) => {
                self.delete(&found, self.grace()).await
            }
        }
    }

    /// The grace of a pod that is asked to end, in seconds.
    fn grace(&self) -> u32 {
        u32::try_from(self.conf.grace.as_secs()).unwrap_or(u32::MAX)
    }

    /// Whether it was asked and had its time.
    fn was_asked(&self, found: &Found) -> bool {
        let mut asked = self.lock_asked();
        let first = asked.entry(found.uid.clone()).or_insert_with(Instant::now);
        first.elapsed() > self.conf.grace + SLACK
    }

    /// An active deadline that has passed: the kubelet ends the pod and leaves it to be read. The uid is
    /// a condition: a pod of the same name that came later is not touched.
    async fn ask_to_end(&self, found: &Found) -> Answer<()> {
        let patch = json!({
            "metadata": {"uid": found.uid},
            "spec": {"activeDeadlineSeconds": 1},
        });
        let pods = self.pods(&found.namespace);
        let asked = pods
            .patch(&found.name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        match asked {
            Ok(pod) => {
                self.cache.put(Found::read(&pod));
                Ok(())
            }
            Err(kube::Error::Api(s)) if s.is_not_found() || s.is_conflict() => Ok(()),
            // A role that may not change pods: then it goes without its last words.
            Err(kube::Error::Api(s)) if s.is_forbidden() => self.delete(found, self.grace()).await,
            Err(e) => Err(PortError::Unknown(format!("end pod {}: {e}", found.name))),
        }
    }

    async fn delete(&self, found: &Found, grace: u32) -> Answer<()> {
        let pods: Api<Pod> = self.pods(&found.namespace);
        let params = DeleteParams {
            grace_period_seconds: Some(grace),
            preconditions: Some(Preconditions {
                uid: Some(found.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match pods.delete(&found.name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(s)) if s.is_not_found() || s.is_conflict() => Ok(()),
            Err(e) => Err(PortError::Unknown(format!(
                "remove pod {}: {e}",
                found.name
            ))),
        }
    }

    /// Keeps the log of the seat's pod and removes it.
    pub(super) async fn reap_seat(&self, seat: &Seat) -> Answer<()> {
        self.waits.forget(seat);
        let Some(found) = self.there(seat).await? else {
            if let Some(Entry::Gone(found)) = self.cache.get(seat) {
                self.lock_asked().remove(&found.uid);
                self.cache.reaped(seat, found);
            }
            return Ok(());
        };
        self.keep_log(seat, &found).await;
        if !found.is_leaving() {
            self.delete(&found, LAST).await?;
        }
        self.wait_until_gone(seat, &found).await?;
        self.lock_asked().remove(&found.uid);
        self.cache.reaped(seat, found);
        Ok(())
    }

    async fn wait_until_gone(&self, seat: &Seat, found: &Found) -> Answer<()> {
        let from = Instant::now();
        let mut asked = from;
        while from.elapsed() < GONE_WITHIN {
            let change = self.cache.next_change(ASK.saturating_sub(asked.elapsed()));
            match self.cache.get(seat) {
                Some(Entry::There(now)) if now.uid == found.uid => {}
                _ => return Ok(()),
            }
            if asked.elapsed() >= ASK {
                asked = Instant::now();
                let live = self.live(seat, &found.namespace).await?;
                if live.is_none_or(|now| now.uid != found.uid) {
                    return Ok(());
                }
            }
            change.await;
        }
        let text = format!(
            "remove pod {}: its node does not confirm its end yet",
            found.name
        );
        Err(PortError::Unknown(text))
    }

    /// The seat's pod, if it is there and ours.
    async fn there(&self, seat: &Seat) -> Answer<Option<Found>> {
        self.ready().await?;
        match self.cache.get(seat) {
            Some(Entry::There(found)) => Ok(Some(found)),
            Some(Entry::Gone(_) | Entry::Reaped(_)) => Ok(None),
            None => self.ours(seat).await,
        }
    }

    /// The seat's pod as the API server has it, if it is ours; remembered from now on.
    pub(super) async fn ours(&self, seat: &Seat) -> Answer<Option<Found>> {
        let Some(namespace) = self.cache.home(seat) else {
            return Ok(None);
        };
        let live = self.live(seat, &namespace).await?;
        let ours = live.filter(|found| found.is_ours(seat));
        if let Some(found) = &ours {
            self.cache.put(found.clone());
        }
        Ok(ours)
    }
}
