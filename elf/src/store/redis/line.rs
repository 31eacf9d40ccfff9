//! A connection that is made anew when it breaks, and when it leads to a server that others write to
//! no more: a name, or what balances, may lead elsewhere by now.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{
    Client, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::link::{ANSWER, CONNECT, is_read_only};

/// A connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Line {
    client: Client,
    stands: Arc<Mutex<Stands>>,
}

/// The connection of now, and how many there were before.
struct Stands {
    number: u64,
    way: ConnectionManager,
}

impl Line {
    /// One that connects when it is first needed.
    ///
    /// # Errors
    /// The configuration could not work.
    pub(super) fn new(client: &Client) -> RedisResult<Self> {
        let stands = Stands {
            number: 0,
            way: way(client)?,
        };
        Ok(Self {
            client: client.clone(),
            stands: Arc::new(Mutex::new(stands)),
        })
    }

    /// Does this on the connection of now. One that a read-only server has refused is left to those
    /// who wait on it, and whoever comes next connects anew.
    ///
    /// # Errors
    /// As the work.
    pub(super) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(ConnectionManager) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let (number, way) = {
            let stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
            (stands.number, stands.way.clone())
        };
        let told = work(way).await;
        if told.as_ref().is_err_and(is_read_only) {
            self.leave(number);
        }
        told
    }

    fn leave(&self, number: u64) {
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        // Many are refused on one connection; the first of them leaves it.
        if stands.number == number
            && let Ok(way) = way(&self.client)
        {
            *stands = Stands {
                number: number + 1,
                way,
            };
        }
    }
}

fn way(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER))
        .set_number_of_retries(1);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
