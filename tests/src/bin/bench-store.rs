//! Measures the SQLite store beside what its disk can do, and prints plain figures. Judges nothing:
//! run it on the machine in question, built the way that is to be measured.
//!
//! usage: `cargo run -p sandbox-tests --bin bench-store [folder]`

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use sandbox_core::{
    Uid,
    port::{Created, Store},
    query::ListQuery,
};
use sandbox_operator::store::sqlite::SqliteStore;
use sandbox_tests::contract::store::a_job;

/// Repetitions of what waits for the disk.
const WRITES: usize = 300;
/// Bytes of a job's text, so that a record is of typical size: 2 KB.
const TEXT: usize = 1_600;
/// Tasks that write side by side.
const TASKS: usize = 16;
/// Repetitions of what is read.
const READS: usize = 20_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(&folder)
        .with_context(|| format!("made a folder in {}", folder.display()))?;
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    println!(
        "build                  {build}, in {}",
        folder.path().display()
    );
    println!("append 2 KB and fsync  p50 {:?}", append(folder.path())?);
    let store = Arc::new(SqliteStore::open(&folder.path().join("bench.db"))?);
    println!(
        "create, 1 client       p50 {:?}",
        create_one(&*store).await?
    );
    println!(
        "create, {TASKS} tasks       {:.0}/s",
        create_many(&store).await?
    );
    let uids = uids(&*store).await?;
    println!(
        "load, 1 task           {:.0}/s",
        load(&*store, &uids, READS).await?
    );
    println!(
        "load, {TASKS} tasks         {:.0}/s",
        load_many(&store, &uids).await?
    );
    println!(
        "admission, last of all p50 {:?}",
        admission(&*store, &uids).await?
    );
    println!("events so far          {}", store.last_seq()?);
    Ok(())
}

fn p50(mut seen: Vec<Duration>) -> Duration {
    seen.sort_unstable();
    seen.get(seen.len() / 2).copied().unwrap_or_default()
}

fn rate(count: usize, since: Instant) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / since.elapsed().as_secs_f64()
}

/// What a commit cannot be faster than.
fn append(folder: &Path) -> anyhow::Result<Duration> {
    let mut file = File::create(folder.join("append"))?;
    let mut seen = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let from = Instant::now();
        file.write_all(&[b'x'; 2048])?;
        file.sync_data()?;
        seen.push(from.elapsed());
    }
    Ok(p50(seen))
}

async fn create(store: &dyn Store, name: String) -> anyhow::Result<()> {
    let mut job = a_job("bench", &name);
    job.spec.echo.get_or_insert_default().message = "x".repeat(TEXT);
    match store.create(job, Some(&name)).await? {
        Created::New(_) => Ok(()),
        Created::Existing(_) => bail!("{name} was there before"),
    }
}

async fn create_one(store: &dyn Store) -> anyhow::Result<Duration> {
    let mut seen = Vec::with_capacity(WRITES);
    for n in 0..WRITES {
        let from = Instant::now();
        create(store, format!("one-{n}")).await?;
        seen.push(from.elapsed());
    }
    Ok(p50(seen))
}

async fn create_many(store: &Arc<SqliteStore>) -> anyhow::Result<f64> {
    let from = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for n in 0..WRITES {
                    create(&*store, format!("many-{task}-{n}")).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(rate(TASKS * WRITES, from))
}

async fn uids(store: &dyn Store) -> anyhow::Result<Vec<Uid>> {
    let query = ListQuery {
        limit: 500,
        ..ListQuery::default()
    };
    let page = store.list(&query).await?;
    let uids: Result<Vec<Uid>, _> = page.jobs.iter().map(sandbox_core::AgentJob::uid).collect();
    Ok(uids?)
}

async fn load(store: &dyn Store, uids: &[Uid], count: usize) -> anyhow::Result<f64> {
    let from = Instant::now();
    for uid in uids.iter().cycle().take(count) {
        store
            .load(uid)
            .await?
            .context("loaded a job that was created")?;
    }
    Ok(rate(count, from))
}

async fn load_many(store: &Arc<SqliteStore>, uids: &[Uid]) -> anyhow::Result<f64> {
    let from = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (store, uids) = (Arc::clone(store), uids.to_vec());
            tokio::spawn(async move { load(&*store, &uids, READS / TASKS).await })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(rate(READS / TASKS * TASKS, from))
}

/// The newest waits behind all others.
async fn admission(store: &dyn Store, uids: &[Uid]) -> anyhow::Result<Duration> {
    let newest = uids.first().context("there are jobs")?;
    let job = store.load(newest).await?.context("loaded the newest job")?;
    let mut seen = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let from = Instant::now();
        store.admission("slots/vps", &job).await?;
        seen.push(from.elapsed());
    }
    Ok(p50(seen))
}
