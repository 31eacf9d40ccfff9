//! A runner that is played at the real seat door: what it says there, in its order, and no work. One that is told to asks
//! again where the door does not answer, as the real one does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use reqwest::StatusCode;
use sandbox_core::{Claim, Heartbeat, Outcome, Register, Report, Seat, Usage};
use sandbox_operator::face::seat::{Signed, Told};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// How soon it asks again.
const AGAIN: Duration = Duration::from_millis(200);

/// A runner before the door of its seat.
pub struct Visit<'a> {
    /// Who asks.
    pub client: &'a reqwest::Client,
    /// The door, without a slash at its end.
    pub door: &'a str,
    /// Its seat.
    pub seat: &'a Seat,
    /// The token of its seat.
    pub token: String,
    /// How long a door that does not answer is asked again.
    pub patience: Duration,
}

impl Visit<'_> {
    /// Takes the seat in this name; nothing where it is another's.
    ///
    /// # Errors
    /// The door does not answer, or refuses.
    pub async fn claim(&self, instance: String) -> Result<Option<Claim>> {
        let claim = Claim {
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            instance,
            at: Timestamp::now(),
        };
        let stands: Register = self.post("claim", &claim).await?;
        let mine = matches!(&stands, Register::Claimed(c) if c.nonce == claim.nonce);
        Ok(mine.then_some(claim))
    }

    /// Asks what is to be done.
    ///
    /// # Errors
    /// The door does not answer, or refuses.
    pub async fn brief(&self, claim: &Claim) -> Result<Told> {
        self.say("brief", claim, ()).await
    }

    /// One heartbeat, a report of success with this result, and what memory is to keep.
    ///
    /// # Errors
    /// The door does not answer, or refuses.
    pub async fn work(&self, claim: &Claim, result: Value) -> Result<()> {
        let _: Value = self.say("heartbeat", claim, Heartbeat::default()).await?;
        let report = Report {
            outcome: Outcome::Succeeded,
            failure: None,
            result,
            usage: Usage::default(),
            files: Vec::new(),
            lessons: Vec::new(),
            grade: None,
            started_at: claim.at,
            finished_at: Timestamp::now(),
        };
        let _: Value = self.say("report", claim, report).await?;
        let _: Value = self.say("record", claim, ()).await?;
        Ok(())
    }

    async fn say<T: DeserializeOwned>(
        &self,
        verb: &str,
        claim: &Claim,
        body: impl Serialize,
    ) -> Result<T> {
        let nonce = claim.nonce.clone();
        self.post(verb, &Signed { nonce, body }).await
    }

    async fn post<T: DeserializeOwned>(&self, verb: &str, body: &impl Serialize) -> Result<T> {
        let begun = Instant::now();
        loop {
            let asked = self.once(verb, body).await;
            let away = match &asked {
                Ok((code, _)) => code.is_server_error() || *code == StatusCode::TOO_MANY_REQUESTS,
                Err(_) => true,
            };
            if away && begun.elapsed() < self.patience {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            let (code, text) = asked?;
            ensure!(code.is_success(), "{verb}: {code}: {text}");
            return serde_json::from_str(&text).with_context(|| format!("{verb}: {text}"));
        }
    }

    async fn once(&self, verb: &str, body: &impl Serialize) -> Result<(StatusCode, String)> {
        let url = format!("{}/v1/seats/{}/{verb}", self.door, self.seat);
        let asked = self.client.post(url).bearer_auth(&self.token).json(body);
        let answer = asked.send().await?;
        Ok((answer.status(), answer.text().await?))
    }
}

/// The door among the words of a runner.
///
/// # Errors
/// There is none.
pub fn door<'a>(words: impl IntoIterator<Item = &'a String>) -> Result<&'a str> {
    let mut words = words.into_iter().skip_while(|w| *w != "--door");
    match (words.next(), words.next()) {
        (Some(_), Some(door)) => Ok(door),
        _ => bail!("a runner without a door"),
    }
}
