//! A ledger that stands elsewhere. Commits go one batch after the other, in the order in which they were handed over.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Certificate, Client, StatusCode, Url};
use sandbox_core::Tenant;
use sandbox_elf::{
    entry::Row,
    store::{Appending, Commit, Item, Kept, Kind, Ledger, LedgerError, Snapshot},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{mpsc, oneshot};

use super::wire::{APPEND, After, Appended, Handed, ITEM, ITEMS, LOG, Many, One, SNAPSHOT};

/// Most commits of one batch.
const BATCH: usize = 64;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take, but for a picture.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a picture of a tenant may take.
const PICTURE: Duration = Duration::from_mins(2);

/// Where a ledger is, and what it asks for.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// `https://host:port`; `http://` only where nobody else reaches the way between.
    pub url: String,
    /// The token of its token file.
    pub token: SecretString,
    /// The authority of its certificate in PEM, where no public one signed it.
    pub ca: Option<Vec<u8>>,
}

/// A ledger elsewhere.
pub struct RemoteLedger {
    way: Way,
    commits: mpsc::UnboundedSender<Waiting>,
}

struct Waiting {
    handed: Handed,
    answer: oneshot::Sender<Kept<()>>,
}

impl Waiting {
    fn say(self, done: Kept<()>) {
        // Whoever does not wait any more does not need the answer.
        let _ = self.answer.send(self.handed.commit.answered(done));
    }
}

impl RemoteLedger {
    /// The ledger at this place. Asks nobody yet.
    ///
    /// # Errors
    /// The address or the certificate cannot be used.
    pub fn new(settings: RemoteSettings) -> Kept<Self> {
        let way = Way::new(settings)?;
        let (commits, handed) = mpsc::unbounded_channel();
        tokio::spawn(hand_over(way.clone(), handed));
        Ok(Self { way, commits })
    }
}

/// Sends batches until nobody hands over any more. What waits while a batch is under way is the next one.
async fn hand_over(way: Way, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let (void, sound): (Vec<_>, Vec<_>) =
            batch.drain(..).partition(|w| w.handed.commit.is_void());
        for one in void {
            one.say(Err(LedgerError::Conflict));
        }
        let (all, answers): (Vec<_>, Vec<_>) =
            sound.into_iter().map(|w| (w.handed, w.answer)).unzip();
        let told = way.append(&all).await;
        for ((handed, answer), done) in all.into_iter().zip(answers).zip(told) {
            Waiting { handed, answer }.say(done);
        }
    }
}

#[derive(Clone)]
struct Way {
    client: Client,
    url: Url,
    token: SecretString,
}

impl Way {
    fn new(settings: RemoteSettings) -> Kept<Self> {
        // Somebody may have chosen a provider already; theirs is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let unfit =
            |what: &str| LedgerError::Unavailable(format!("read where memory's ledger is: {what}"));
        let url = Url::parse(&settings.url).map_err(|e| unfit(&e.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(unfit("it must begin with https:// or http://"));
        }
        let mut client = Client::builder()
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .no_proxy();
        if let Some(pem) = &settings.ca {
            let own = Certificate::from_pem_bundle(pem).map_err(|e| unfit(&e.to_string()))?;
            client = client.tls_certs_only(own);
        }
        Ok(Self {
            client: client.build().map_err(|e| unfit(&e.to_string()))?,
            url,
            token: settings.token,
        })
    }

    /// One answer for each commit, whatever happens.
    async fn append(&self, all: &[Handed]) -> Appended {
        let count = all.len();
        if count == 0 {
            return Vec::new();
        }
        match self.ask::<_, Appended>(APPEND, &all, ANSWER).await {
            Ok(told) if told.len() == count => told,
            Ok(told) => {
                let text = format!("wrote to memory: {} answers to {count} commits", told.len());
                vec![Err(LedgerError::Unavailable(text)); count]
            }
            Err(e) => vec![Err(e); count],
        }
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
        within: Duration,
    ) -> Kept<A> {
        let failed = |e: &dyn std::fmt::Display| {
            LedgerError::Unavailable(format!("asked memory's ledger at {}: {e}", self.url))
        };
        let url = self.url.join(path).map_err(|e| failed(&e))?;
        let asked = self.client.post(url).timeout(within).json(question);
        let asked = asked.bearer_auth(self.token.expose_secret());
        let answer = asked.send().await.map_err(|e| failed(&whole(&e)))?;
        match answer.status() {
            StatusCode::OK => answer.json().await.map_err(|e| failed(&whole(&e))),
            StatusCode::PAYLOAD_TOO_LARGE => Err(failed(&"it takes no question as large as this")),
            status => {
                let said = answer.text().await.unwrap_or_default();
                let end = said.floor_char_boundary(200);
                Err(failed(&format!("{status}: {}", &said[..end])))
            }
        }
    }
}

/// An error with its causes, without the address, which is told beside it.
fn whole(e: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(e);
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    let what = if e.is_timeout() {
        "no answer in time"
    } else {
        "no answer"
    };
    if text.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {text}")
    }
}

#[async_trait]
impl Ledger for RemoteLedger {
    fn append(&self, tenant: &Tenant, commit: Commit) -> Appending {
        let (answer, answered) = oneshot::channel();
        let handed = Handed {
            tenant: tenant.clone(),
            picture: commit.picture.number(),
            commit,
        };
        // One that could not be handed over drops its sender, which the receiver then tells.
        drop(self.commits.send(Waiting { handed, answer }));
        let ended = || LedgerError::Unavailable("wrote to memory: its writer has ended".to_owned());
        Box::pin(async move { answered.await.map_err(|_| ended())? })
    }

    async fn log(&self, tenant: &Tenant, after: u64, limit: u32) -> Kept<Vec<Row>> {
        let asked = After {
            tenant: tenant.clone(),
            place: after,
            limit,
        };
        self.way.ask::<_, Kept<_>>(LOG, &asked, ANSWER).await?
    }

    async fn snapshot(&self, tenant: &Tenant) -> Kept<Snapshot> {
        self.way
            .ask::<_, Kept<_>>(SNAPSHOT, tenant, PICTURE)
            .await?
    }

    async fn item(&self, tenant: &Tenant, kind: Kind, id: &str) -> Kept<Option<Item>> {
        let asked = One {
            tenant: tenant.clone(),
            kind,
            id: id.to_owned(),
        };
        self.way.ask::<_, Kept<_>>(ITEM, &asked, ANSWER).await?
    }

    async fn items(
        &self,
        tenant: &Tenant,
        kind: Kind,
        before: Option<u64>,
        limit: u32,
    ) -> Kept<Vec<Item>> {
        let asked = Many {
            tenant: tenant.clone(),
            kind,
            before,
            limit,
        };
        self.way.ask::<_, Kept<_>>(ITEMS, &asked, ANSWER).await?
    }
}
