//! Jobs of the ancestor. They keep their ids; what was not over comes suspended.

use anyhow::Result;
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Claim, JobType, Report, Uid,
    port::{Created, PortError, Store},
};
use sandbox_operator::{
    face::http::old::{OldJob, OldStatus, taken_over},
    seats::files::sync,
};
use serde_json::{Map, Value};

use super::{
    Desk,
    table::{Cells, Source, cut},
};

/// Who claims the seat of a result that is too large for a record.
const IMPORT: &str = "import";

/// A row as it was read: the job, or what it is and why it cannot be one.
type Read = Result<OldJob, (String, String)>;

impl Desk<'_> {
    /// Brings in every job that is not there yet.
    ///
    /// # Errors
    /// Our own store cannot be written.
    pub(super) async fn jobs(&mut self, source: &Source) -> Result<()> {
        let (rows, done) = source.rows("jobs", |row| self.read(row));
        for row in rows {
            match row {
                Ok(old) => self.job(source, old).await?,
                Err((what, why)) => self.told.passed_over(&source.file, &what, &why),
            }
        }
        if let Err(e) = done {
            self.told.passed_over(&source.file, "", &format!("{e:#}"));
        }
        Ok(())
    }

    fn read(&self, row: &Cells<'_>) -> Read {
        let id = row.text("job_id").ok().flatten().unwrap_or_default();
        self.fields(row)
            .map_err(|why| (format!("job {}", cut(&id)), why))
    }

    fn fields(&self, row: &Cells<'_>) -> Result<OldJob, String> {
        let id = row.needed("job_id")?.to_lowercase();
        let uid: Uid = id.parse().map_err(|e| format!("{e}"))?;
        let client = row.text("client_id")?;
        let tenant = self.tenant(client.as_deref().unwrap_or("default"))?;
        let word = row.needed("job_type")?;
        let job_type = JobType::from_word(&word)
            .ok_or_else(|| format!("its type {:?} is not known here", cut(&word)))?;
        let word = row.needed("status")?;
        let status = OldStatus::from_word(&word)
            .ok_or_else(|| format!("its status {:?} is not known here", cut(&word)))?;
        let Value::Object(payload) = row.json("payload")? else {
            return Err("its payload is no JSON object".to_owned());
        };
        let created = row
            .time("created_at")
            .or_else(|why| row.time("updated_at").map_err(|_| why))?;
        Ok(OldJob {
            uid,
            tenant,
            job_type,
            status,
            payload: without_login(payload),
            result: row.json("result")?,
            created,
            updated: row.time("updated_at").unwrap_or(created),
        })
    }

    async fn job(&mut self, source: &Source, old: OldJob) -> Result<()> {
        let (uid, status) = (old.uid.clone(), old.status);
        let what = format!("job {uid}");
        if self.store.load(&uid).await?.is_some() {
            self.told.count("jobs", "there already", 1);
            return Ok(());
        }
        let (job, report) = match taken_over(&old, self.asked.workspace) {
            Ok(made) => made,
            Err(why) => {
                let why =
                    format!("it was not over, and its payload is not accepted any more: {why}");
                self.told.passed_over(&source.file, &what, &why);
                return Ok(());
            }
        };
        if let Some(report) = report
            && let Err(e) = self.put_report(&uid, &report)
        {
            self.told.passed_over(&source.file, &what, &e.to_string());
            return Ok(());
        }
        self.create(source, job, status).await
    }

    async fn create(&mut self, source: &Source, job: AgentJob, status: OldStatus) -> Result<()> {
        let what = format!("job {}", job.metadata.uid.clone().unwrap_or_default());
        match self.store.create(job, None).await {
            Ok(Created::New(_)) => self.told.count("jobs", how(status), 1),
            Ok(Created::Existing(_)) => self.told.count("jobs", "there already", 1),
            Err(e @ PortError::Unknown(_)) => return Err(e.into()),
            Err(e) => self.told.passed_over(&source.file, &what, &e.to_string()),
        }
        Ok(())
    }

    /// The result stands where those of our own jobs stand. Put before the job: a record that names a
    /// report always has one.
    fn put_report(&self, uid: &Uid, report: &Report) -> Result<()> {
        let root = self.data.join("seats");
        let seat = sandbox_core::Seat::new(uid.clone(), 1);
        let claim = Claim {
            nonce: IMPORT.to_owned(),
            instance: IMPORT.to_owned(),
            at: Timestamp::now(),
        };
        sync::claim(&root, &seat, claim)?;
        sync::report(&root, &seat, IMPORT, report)?;
        Ok(())
    }
}

const fn how(status: OldStatus) -> &'static str {
    match status {
        OldStatus::Succeeded => "succeeded",
        OldStatus::Failed => "failed",
        OldStatus::Queued => "were queued (suspended)",
        OldStatus::Running => "were running (suspended)",
    }
}

/// The ancestor kept tokens inside the addresses of repositories; our records hold none.
fn without_login(mut payload: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::String(url)) = payload.get_mut("repo_url")
        && let Some((scheme, rest)) = url.split_once("://")
    {
        let host = rest.split('/').next().unwrap_or(rest);
        let bare = host.rfind('@').map_or(rest, |at| &rest[at + 1..]);
        *url = format!("{scheme}://{bare}");
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_address_of_a_repository_is_taken_out_of_it() {
        let of = |url: &str| {
            let payload = Map::from_iter([("repo_url".to_owned(), url.into())]);
            without_login(payload)["repo_url"].clone()
        };
        assert_eq!(of("https://x:ghp_1@host/a/b"), "https://host/a/b");
        assert_eq!(of("https://host/a@b"), "https://host/a@b");
        assert_eq!(of("git@host:a/b"), "git@host:a/b");
    }
}
