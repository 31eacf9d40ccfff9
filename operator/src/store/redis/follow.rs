//! What others write: a blocking read of the stream of events, on a connection of its own.

use redis::{
    aio::MultiplexedConnection,
    streams::{StreamId, StreamReadReply},
};
use sandbox_core::{
    Uid,
    port::{Answer, PortError},
};

use super::{
    RedisStore, port,
    read::{EVENTS_AT_ONCE, kept, key, number},
};

/// How long one read waits for something new, in milliseconds.
const WAIT: usize = 5_000;

/// Follows the events of others. One that failed is done with: make another, and look at everything
/// once more, for what came between is told by nobody.
pub struct Follower {
    store: RedisStore,
    way: MultiplexedConnection,
    after: u64,
    /// Whether the last read gave nothing though there was something.
    doubted: bool,
}

impl Follower {
    pub(super) async fn new(store: &RedisStore) -> Answer<Self> {
        let way = store.link.apart().await.map_err(port)?;
        let after = kept(store).await?.newest;
        Ok(Self {
            store: store.clone(),
            way,
            after,
            doubted: false,
        })
    }

    /// The jobs that others have written about; none after a while in which nothing was written.
    ///
    /// # Errors
    /// The server cannot be reached any more, or is no longer the one that is written to.
    pub async fn next(&mut self) -> Answer<Vec<Uid>> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(EVENTS_AT_ONCE).arg("BLOCK").arg(WAIT);
        read.arg("STREAMS").arg(key(&self.store.link, "events"));
        read.arg(format!("{}-0", self.after));
        let told: Result<Option<StreamReadReply>, _> = read.query_async(&mut self.way).await;
        let lost = |what: &str| PortError::Unknown(format!("followed the events on Redis: {what}"));
        let told = told.map_err(|e| lost(e.category()))?;
        let entries: Vec<StreamId> = told
            .into_iter()
            .flat_map(|t| t.keys)
            .flat_map(|k| k.ids)
            .collect();
        if let Some(last) = entries.last().and_then(number) {
            self.after = last;
            self.doubted = false;
        } else if kept(&self.store).await?.newest == self.after {
            self.doubted = false;
        } else if std::mem::replace(&mut self.doubted, true) {
            // Once may be chance: it was written right after the read. The next read gives it at once.
            return Err(lost("this server is not written to any more"));
        }
        Ok(entries.iter().filter_map(|e| self.of_others(e)).collect())
    }

    fn of_others(&self, entry: &StreamId) -> Option<Uid> {
        let ours = entry.get::<String>("by").as_deref() == Some(&*self.store.by);
        entry.get::<String>("uid")?.parse().ok().filter(|_| !ours)
    }
}
