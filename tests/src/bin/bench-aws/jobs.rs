//! Jobs on their way in, and what became of them.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use reqwest::{Method, RequestBuilder, StatusCode};
use sandbox_core::Uid;
use sandbox_tests::lambda::Account;
use serde_json::{Value, json};

use super::played::Starts;

/// How many are on their way in at a time.
const AT_ONCE: usize = 16;
/// How many may be there that have not reported.
const ON_THEIR_WAY: usize = 200;
/// How soon something is asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// The longest that nothing may come to its end.
const PATIENCE: Duration = Duration::from_mins(15);
/// How often an answer that is none is asked for again.
const TRIES: usize = 100;

/// Submits so many echoes, as fast as they are taken and reported of. Where answers may be lost each has a key, by which it
/// is submitted again.
pub async fn submit(
    account: &Arc<Account>,
    starts: &Starts,
    (jobs, keyed): (usize, bool),
) -> Result<HashSet<Uid>> {
    let all = futures::stream::iter(0..jobs).map(|n| async move {
        while n >= starts.done() + ON_THEIR_WAY {
            tokio::time::sleep(AGAIN).await;
        }
        one(account, keyed.then(|| format!("bench-{n}"))).await
    });
    let ids: HashSet<Uid> = all.buffer_unordered(AT_ONCE).try_collect().await?;
    ensure!(ids.len() == jobs, "{jobs} keys gave {} jobs", ids.len());
    Ok(ids)
}

async fn one(account: &Account, key: Option<String>) -> Result<Uid> {
    let retry = json!({"limit": 10, "on": {"Infrastructure": {"base": "1s", "max": "5s"}, "Preempted": {"base": "1s"}}});
    let spec = json!({"type": "echo", "echo": {"message": "hello"}, "retry": retry});
    let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec});
    let request = || {
        let request = account.request(Method::POST, "/jobs").json(&job);
        match &key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    };
    let answer = asked(request).await?;
    let id = answer["job_id"].as_str().context("submitted a job")?;
    Ok(id.parse()?)
}

/// Asks until there is an answer.
async fn asked(request: impl Fn() -> RequestBuilder) -> Result<Value> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let answer = request().send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() {
            return Ok(serde_json::from_str(&text)?);
        }
        last = format!("{status}: {text}");
        let later = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        ensure!(later, "asked: {last}");
        tokio::time::sleep(AGAIN).await;
    }
    bail!("asked in vain, last {last}")
}

/// Waits until a runner of each has reported.
pub async fn reported(starts: &Starts, ids: &HashSet<Uid>, begun: Instant) -> Result<()> {
    let (mut before, mut since) = (0, begun);
    loop {
        let done = starts.reported(ids);
        if done == ids.len() {
            return Ok(());
        }
        if done > before {
            (before, since) = (done, Instant::now());
        }
        let stuck = since.elapsed() > PATIENCE;
        ensure!(
            !stuck,
            "{done} of {} have reported, and no more do",
            ids.len()
        );
        tokio::time::sleep(AGAIN).await;
    }
}

/// Waits until no task stays whose work is over.
pub async fn left_alone(starts: &Starts) -> Result<()> {
    let begun = Instant::now();
    while starts.orphans() > 0 {
        let forgotten = begun.elapsed() > PATIENCE;
        ensure!(!forgotten, "{} tasks stay for ever", starts.orphans());
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}

/// Every job has succeeded; gives how many attempts that took. None may be missing.
pub async fn succeeded(account: &Arc<Account>, ids: &HashSet<Uid>) -> Result<u64> {
    let all = futures::stream::iter(ids.iter().cloned()).map(|id| attempts(account, id));
    all.buffer_unordered(AT_ONCE)
        .try_fold(0, async |sum, n| Ok(sum + n))
        .await
}

async fn attempts(account: &Account, id: Uid) -> Result<u64> {
    let begun = Instant::now();
    loop {
        let job = asked(|| account.request(Method::GET, &format!("/jobs/{id}"))).await?;
        if job["status"] == "SUCCEEDED" {
            return job["attempt"].as_u64().context("read the attempts");
        }
        let lost = !job["outcome"].is_null() || begun.elapsed() > PATIENCE;
        ensure!(!lost, "lost: {job:#}");
        tokio::time::sleep(AGAIN).await;
    }
}
