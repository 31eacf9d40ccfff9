//! The others on the same store: what they write is heard of at once, and which sites are there is known.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use sandbox_core::{
    Uid,
    plan::Sites,
    port::{Answer, Store},
    spec::BackendName,
};
use sandbox_elf::store::redis::link::Link;
use sandbox_operator::{
    control::{Waker, open_jobs},
    store::{
        dynamodb::{self, DynamoStore},
        redis::{self, RedisStore},
    },
};
use tokio::sync::{Mutex, watch};

/// How soon it is tried again to follow.
const AGAIN: Duration = Duration::from_millis(500);

/// A store that others have too, and who we are among them.
pub(super) struct Shared {
    pub neighbours: Neighbours,
    /// Our site: what runs in the places of one data folder is seen by whoever serves that folder.
    pub site: String,
}

/// By what others are heard of.
pub(super) enum Neighbours {
    Redis(Box<RedisStore>, Box<Link>),
    DynamoDb(Arc<DynamoStore>, Box<Mutex<dynamodb::sites::Sites>>),
}

/// What is known of the sites.
struct Heard {
    away: BTreeSet<String>,
    gone: BTreeSet<String>,
}

/// Hears what others write.
enum Follower {
    Redis(Box<redis::Follower>),
    DynamoDb(dynamodb::Follower),
}

impl Neighbours {
    pub(super) fn dynamodb(store: Arc<DynamoStore>) -> Self {
        let sites = dynamodb::sites::Sites::new(&store);
        Self::DynamoDb(store, Box::new(Mutex::new(sites)))
    }

    fn every(&self) -> Duration {
        match self {
            Self::Redis(..) => redis::sites::EVERY,
            Self::DynamoDb(..) => dynamodb::sites::EVERY,
        }
    }

    fn store(&self) -> &dyn Store {
        match self {
            Self::Redis(store, _) => &**store,
            Self::DynamoDb(store, _) => &**store,
        }
    }

    async fn hear(&self, own: &str) -> Answer<Heard> {
        let (away, gone) = match self {
            Self::Redis(_, link) => {
                let heard = redis::sites::hear(link, own).await?;
                (heard.away, heard.gone)
            }
            Self::DynamoDb(_, sites) => {
                let heard = sites.lock().await.hear(own).await?;
                (heard.away, heard.gone)
            }
        };
        Ok(Heard { away, gone })
    }

    async fn follow(&self) -> Answer<Follower> {
        Ok(match self {
            Self::Redis(store, _) => Follower::Redis(Box::new(store.follow().await?)),
            Self::DynamoDb(store, _) => {
                Follower::DynamoDb(dynamodb::Follower::new(store.clone()).await?)
            }
        })
    }
}

impl Follower {
    async fn next(&mut self) -> Answer<Vec<Uid>> {
        match self {
            Self::Redis(follower) => follower.next().await,
            Self::DynamoDb(follower) => follower.next().await,
        }
    }
}

/// What hears of the others.
pub(super) struct Others {
    shared: Shared,
    sites: watch::Sender<Sites>,
    bell: watch::Sender<u64>,
    waker: Waker,
    /// Those of which nothing was heard the last time.
    missed: BTreeSet<String>,
}

impl Others {
    /// Says that this site is there. The bell rings with each write of others.
    ///
    /// # Errors
    /// The store cannot be asked, or a person has called this site gone for good.
    pub(super) async fn meet(
        shared: Shared,
        offers: BTreeSet<BackendName>,
        (bell, waker): (watch::Sender<u64>, Waker),
    ) -> Result<(Self, watch::Receiver<Sites>)> {
        let heard = shared.neighbours.hear(&shared.site).await?;
        is_there(&shared, &heard)?;
        let sites = Sites {
            own: Some(shared.site.clone()),
            offers,
            away: BTreeSet::new(),
            gone: heard.gone,
        };
        let (sites, told) = watch::channel(sites);
        let others = Self {
            shared,
            sites,
            bell,
            waker,
            missed: heard.away,
        };
        Ok((others, told))
    }

    /// Hears of them until a person calls this site gone.
    ///
    /// # Errors
    /// A person has.
    pub(super) async fn hear(mut self) -> Result<()> {
        let mut missed = std::mem::take(&mut self.missed);
        tokio::select! {
            never = self.follow() => never,
            gone = self.keep_in_touch(&mut missed) => gone,
        }
    }

    async fn keep_in_touch(&self, missed: &mut BTreeSet<String>) -> Result<()> {
        loop {
            let neighbours = &self.shared.neighbours;
            tokio::time::sleep(neighbours.every()).await;
            match neighbours.hear(&self.shared.site).await {
                Ok(mut heard) => {
                    // Twice, for after a pause of the store everybody is missed until it has spoken.
                    let now = heard.away.clone();
                    heard.away.retain(|site| missed.contains(site));
                    *missed = now;
                    self.take(heard).await?;
                }
                Err(e) => tracing::debug!(error = %e, "could not say that this site is there"),
            }
        }
    }

    async fn take(&self, heard: Heard) -> Result<()> {
        is_there(&self.shared, &heard)?;
        let changed = self.sites.send_if_modified(|sites| {
            let changed = sites.away != heard.away || sites.gone != heard.gone;
            sites.away = heard.away;
            sites.gone = heard.gone;
            changed
        });
        if changed && let Err(e) = self.look_at_all().await {
            tracing::warn!(error = %e, "could not look at the jobs that are not over");
        }
        Ok(())
    }

    async fn follow(&self) -> ! {
        loop {
            if let Err(e) = self.follow_on().await {
                tracing::warn!(error = %e, "cannot follow what others write; trying again");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn follow_on(&self) -> Answer<()> {
        let mut follower = self.shared.neighbours.follow().await?;
        // What was written before nobody has told.
        self.bell.send_modify(|n| *n += 1);
        self.look_at_all().await?;
        loop {
            let written = follower.next().await?;
            if !written.is_empty() {
                self.bell.send_modify(|n| *n += 1);
            }
            for uid in &written {
                self.waker.wake(uid);
            }
        }
    }

    async fn look_at_all(&self) -> Answer<()> {
        let open = open_jobs(self.shared.neighbours.store()).await?;
        for uid in &open {
            self.waker.wake(uid);
        }
        Ok(())
    }
}

fn is_there(shared: &Shared, heard: &Heard) -> Result<()> {
    let site = &shared.site;
    if heard.gone.contains(site) {
        bail!(
            "this data folder is site {site}, which was called gone for good, so others have begun its jobs anew; use another --data-dir"
        );
    }
    Ok(())
}
