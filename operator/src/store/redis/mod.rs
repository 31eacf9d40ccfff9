//! Jobs on a Redis server, for one node or several. The keys, after the prefix `jobs`:
//!
//! | key | what it is |
//! |---|---|
//! | `job:UID` | a hash: the job as JSON, its version, and what lists and queues need of it |
//! | `jobs`, `jobs-of:TENANT`, `open` | uids by the time of submission: all, a tenant's, those not over |
//! | `names`, `keys` | a tenant's name or idempotency key → uid |
//! | `waiting:POOL`, `waiting-many:POOL` | who waits in order; of these, who wants more than one unit |
//! | `held:UID`, `pools` | what a job holds of each pool; the sum of what all hold |
//! | `seq`, `events` | the number of the newest event; a stream of events under their numbers |
//! | `events-of:UID` | the numbers of a job's events |
//!
//! Each change is one script, which checks everything before it writes anything.

mod follow;
mod read;
pub mod sites;
mod write;

pub use follow::Follower;

use std::sync::Arc;

use async_trait::async_trait;
use redis::Script;
use sandbox_core::{
    AgentJob, FailureClass, Uid,
    port::{Admission, Answer, Change, Created, PortError, Store},
    query::{Event, EventQuery, Kept, ListQuery, Page},
};
use sandbox_elf::store::redis::link::{Link, LinkError};

use uuid::Uuid;

use super::rows::versioned;

/// What every key of this store begins with, after the server's own prefix.
const NAME: &str = "jobs";

/// Keeps jobs on a Redis server.
#[derive(Clone)]
pub struct RedisStore {
    link: Link,
    scripts: Arc<Scripts>,
    /// Who we are among those who write, so that nobody is told of its own events.
    by: Arc<str>,
}

struct Scripts {
    create: Script,
    save: Script,
    remove: Script,
    list: Script,
    admission: Script,
}

/// A full memory refuses what makes a job, at the start of the script. What is written of jobs that are
/// there is little more than it replaces, and lets work end and records be removed: it goes on.
macro_rules! writing {
    ($head:literal, $file:literal) => {
        Script::new(concat!(
            $head,
            include_str!("common.lua"),
            include_str!($file)
        ))
    };
}

impl RedisStore {
    /// A store on this server.
    #[must_use]
    pub fn new(link: Link) -> Self {
        let scripts = Scripts {
            create: writing!("#!lua\n", "create.lua"),
            save: writing!("#!lua flags=allow-oom\n", "save.lua"),
            remove: writing!("#!lua flags=allow-oom\n", "remove.lua"),
            list: Script::new(include_str!("list.lua")),
            admission: Script::new(include_str!("admission.lua")),
        };
        Self {
            link,
            scripts: Arc::new(scripts),
            by: Uuid::new_v4().simple().to_string().into(),
        }
    }

    /// Follows what others write from now on.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn follow(&self) -> Answer<Follower> {
        Follower::new(self).await
    }
}

/// What a failure of the server means to who asked the store.
fn port(e: LinkError) -> PortError {
    match e {
        LinkError::Refused(text) => PortError::refused(FailureClass::Infrastructure, text),
        LinkError::Unknown(text) => PortError::Unknown(text),
    }
}

/// Reads a job as it was written.
fn job(body: &str, version: &str) -> Answer<AgentJob> {
    let bad = |what: String| {
        PortError::Unknown(format!(
            "read a job from Redis: {what}; restore it from a backup"
        ))
    };
    let job: AgentJob = serde_json::from_str(body).map_err(|e| bad(e.to_string()))?;
    let version = version
        .parse()
        .map_err(|_| bad("its version is no number".to_owned()))?;
    Ok(versioned(job, version))
}

#[async_trait]
impl Store for RedisStore {
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created> {
        write::create(self, job, key).await
    }

    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>> {
        read::load(self, uid).await
    }

    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        read::list(self, query).await
    }

    async fn commit(&self, change: Change) -> Answer<AgentJob> {
        write::commit(self, change).await
    }

    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>> {
        read::events(self, query).await
    }

    async fn kept(&self) -> Answer<Kept> {
        read::kept(self).await
    }

    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission> {
        read::admission(self, pool, job).await
    }
}
