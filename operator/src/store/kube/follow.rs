//! Keeps memory at what the API server has: a streaming list, then every change, and both again when the line breaks.

use std::{collections::HashSet, time::Duration};

use backon::ExponentialBuilder;
use futures::{
    StreamExt,
    future::join_all,
    stream::{BoxStream, select_all},
};
use kube::runtime::{
    WatchStreamExt,
    watcher::{self, Config, Event, ExponentialBackoff},
};
use sandbox_core::{
    AgentJob, Uid,
    port::{Answer, PortError},
};

use super::{
    object,
    objects::{Objects, Scope, Seen, Told},
};

/// How soon a line that broke is tried again: at first, and at the most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Objects that are asked for at a time after a list that may be older than they are.
const AT_ONCE: usize = 16;

type Change = Result<Event<AgentJob>, watcher::Error>;

/// One namespace, or all of them, and how far its list has come.
#[derive(Default)]
struct Listing {
    seen: HashSet<Uid>,
    newest: u64,
    done: bool,
}

pub(super) async fn follow(objects: &Objects, told: &Told) -> Answer<()> {
    let watches = watches(objects);
    let mut listings: Vec<Listing> = watches.iter().map(|_| Listing::default()).collect();
    let numbered = (0..).zip(watches);
    let numbered = numbered.map(|(n, watch)| watch.map(move |change| (n, change)).boxed());
    let mut changes = select_all(numbered);
    while let Some((n, change)) = changes.next().await {
        let change = match change {
            Ok(change) => change,
            Err(e) => {
                tracing::warn!(error = %e, "lost the line to the API server, or may not list jobs; trying again");
                continue;
            }
        };
        if matches!(change, Event::InitDone) {
            settle(objects, told, (n, &listings[n])).await;
            listings[n].done = true;
            if listings.iter().all(|l| l.done) {
                objects.is_known();
            }
            continue;
        }
        apply(objects, told, &mut listings[n], change);
    }
    let text = "followed the jobs: there is no namespace to follow";
    Err(PortError::Unknown(text.to_owned()))
}

fn watches(objects: &Objects) -> Vec<BoxStream<'static, Change>> {
    let patience = ExponentialBuilder::default()
        .with_min_delay(AGAIN.0)
        .with_max_delay(AGAIN.1)
        .without_max_times()
        .with_jitter();
    let watch = |api| {
        let config = Config::default().streaming_lists();
        let watch = watcher::watcher(api, config);
        watch.backoff(ExponentialBackoff::from(patience)).boxed()
    };
    objects.apis().into_iter().map(watch).collect()
}

fn apply(objects: &Objects, told: &Told, listing: &mut Listing, change: Event<AgentJob>) {
    match change {
        Event::Init => {
            listing.seen.clear();
            listing.newest = 0;
        }
        Event::InitApply(found) => {
            listing.newest = listing.newest.max(found.version());
            listing.seen.extend(found.uid().ok());
            hear(objects, told, found);
        }
        Event::Apply(found) => hear(objects, told, found),
        Event::Delete(found) => {
            if let Ok(uid) = found.uid() {
                lose(objects, told, &uid);
            }
        }
        Event::InitDone => {}
    }
}

fn hear(objects: &Objects, told: &Told, found: AgentJob) {
    let job = object::view(found);
    let newer = objects.hear(&job) == Seen::Newer;
    if let (true, true, Ok(uid)) = (newer, objects.is_ready(), job.uid()) {
        told(&uid);
    }
}

fn lose(objects: &Objects, told: &Told, uid: &Uid) {
    if objects.drop_one(uid) {
        told(uid);
    }
}

/// A list is over: what it did not name is gone, unless it is newer than all of the list. That may have been made since,
/// or the list may be an old one, and is asked for.
async fn settle(objects: &Objects, told: &Told, (n, listing): (usize, &Listing)) {
    let namespace = match &objects.scope {
        Scope::All => None,
        Scope::Namespaces(all) => all.get(n),
    };
    let known = objects.versions().into_iter();
    let unnamed = known.filter(|(uid, tenant, _)| {
        namespace.is_none_or(|n| n == tenant.as_str()) && !listing.seen.contains(uid)
    });
    let (gone, doubtful): (Vec<_>, Vec<_>) =
        unnamed.partition(|(_, _, version)| *version <= listing.newest);
    for (uid, ..) in gone {
        lose(objects, told, &uid);
    }
    for some in doubtful.chunks(AT_ONCE) {
        join_all(some.iter().map(|(uid, ..)| verify(objects, told, uid))).await;
    }
}

async fn verify(objects: &Objects, told: &Told, uid: &Uid) {
    let Some(job) = objects.get(uid) else { return };
    match objects.refresh(&job).await {
        Ok(Some(_)) => {}
        Ok(None) => told(uid),
        Err(e) => {
            tracing::warn!(job = %uid, error = %e, "could not see whether it is still there; it counts as there");
        }
    }
}
