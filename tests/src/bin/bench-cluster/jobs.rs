//! Many jobs at once, and when all of them are so far.

use std::{
    collections::HashMap,
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Resource, ResourceExt,
    api::{PostParams, WatchEvent, WatchParams},
};
use sandbox_core::{AgentJob, AgentJobSpec, Outcome};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

/// Requests at a time of whoever makes many objects.
pub const AT_ONCE: usize = 32;
/// How long all may take.
const LONGEST: Duration = Duration::from_mins(10);

/// What jobs say, a few times.
pub const MESSAGE: &str = "The quick brown fox jumps over the lazy dog. ";

/// An echo whose object is about 2 KB when it is over.
pub fn echo(name: &str) -> Result<AgentJob> {
    let message = MESSAGE.repeat(4);
    let spec = json!({"type": "echo", "echo": {"message": message}});
    let spec: AgentJobSpec = serde_json::from_value(spec)?;
    Ok(AgentJob::new(name, spec))
}

/// Makes objects of these names' numbers.
pub async fn make<K>(
    api: Api<K>,
    objects: usize,
    one: impl Fn(usize) -> Result<K> + Send + 'static,
) -> Result<()>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let made = tokio::spawn(async move {
        let made = stream::iter(0..objects).map(move |n| {
            let (api, object) = (api.clone(), one(n));
            async move {
                let asked = PostParams::default();
                anyhow::Ok(api.create(&asked, &object?).await?)
            }
        });
        let done = made.buffer_unordered(AT_ONCE);
        done.try_for_each(|_| std::future::ready(Ok(()))).await
    });
    made.await.context("made objects")?
}

/// How far one object is: 0 at the beginning.
pub type Stage<K> = fn(&K) -> Result<usize>;

/// Watches until all objects of a kind have come to the second stage; gives when all were at the first, and at the second.
pub async fn all_of<K>(api: Api<K>, objects: usize, stage: Stage<K>) -> Result<[Instant; 2]>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let watched = tokio::spawn(async move {
        let mut seen = Seen::of(objects);
        let begun = Instant::now();
        // The API server ends the watch of one that is slow to listen.
        while begun.elapsed() < LONGEST {
            let mut told = Box::pin(api.watch(&WatchParams::default(), "0").await?);
            while let Some(Ok(event)) = told.next().await {
                let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else {
                    continue;
                };
                seen.note(object.name_any(), stage(&object)?);
                if let [Some(first), Some(second)] = seen.came {
                    return Ok([first, second]);
                }
            }
        }
        bail!("watched for {LONGEST:?}: {:?} of {objects}", seen.at)
    });
    watched.await.context("watched objects")?
}

/// How many of all are how far.
struct Seen {
    objects: usize,
    known: HashMap<String, usize>,
    at: [usize; 2],
    came: [Option<Instant>; 2],
}

impl Seen {
    fn of(objects: usize) -> Self {
        Self {
            objects,
            known: HashMap::new(),
            at: [0; 2],
            came: [None; 2],
        }
    }

    fn note(&mut self, name: String, now: usize) {
        let before = self.known.insert(name, now).unwrap_or(0);
        let all = self.at.iter_mut().zip(&mut self.came);
        for (n, came) in all.take(now).skip(before) {
            *n += 1;
            if *n == self.objects {
                *came = Some(Instant::now());
            }
        }
    }
}

/// A job is finished, then nothing of it is left.
pub fn stage(job: &AgentJob) -> Result<usize> {
    let status = job.status();
    let Some(outcome) = status.outcome else {
        return Ok(0);
    };
    let well = outcome == Outcome::Succeeded && status.attempt == 1;
    ensure!(well, "lost {}: {status:#?}", job.name());
    let left = job.metadata.finalizers.as_deref().unwrap_or_default();
    Ok(if left.is_empty() { 2 } else { 1 })
}
