//! What tests of job types need: a place to work in, and one look at the log.

mod chat;

use sandbox_core::{Seat, brief};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

/// A job's work in a folder of its own.
pub struct Place {
    /// The folder: `workspace/team-a`, `artifacts`, `log`, `key`.
    pub dir: TempDir,
    /// The work.
    pub work: Work,
}

/// The job id of every test.
pub const UID: &str = "0191f0c2-0000-7000-8000-000000000001";

/// A place for a job with this spec.
pub fn place(spec: Value) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    std::fs::create_dir_all(at.join("workspace/team-a/repo")).unwrap();
    std::fs::write(at.join("key"), "sk-test-key\n").unwrap();
    let settings = Settings {
        workspace_root: at.join("workspace"),
        artifacts_root: at.join("artifacts"),
        model_key_file: Some(at.join("key")),
        ..Settings::default()
    };
    let brief = a_brief(spec);
    let work = Work {
        over_at: watch::Sender::new(brief.deadline_at),
        brief,
        lessons: Receipt::default(),
        settings,
        seat_dir: at.to_owned(),
        worker: "sandbox-1".to_owned(),
        log: Arc::new(Log::open(&at.join("log"), 0).unwrap()),
        beat: watch::Sender::new(Heartbeat::default()),
        stopping: Arc::new(AtomicBool::new(false)),
        lease: None,
        rent: None,
        stop_within: Duration::from_secs(30),
        cut_off: OnceLock::new(),
        earlier: OnceLock::new(),
    };
    Place { dir, work }
}

fn a_brief(spec: Value) -> Brief {
    Brief {
        version: brief::VERSION,
        seat: Seat::new(UID.parse().unwrap(), 1),
        tenant: "team-a".parse().unwrap(),
        name: "job".to_owned(),
        backend: sandbox_core::spec::BackendName::Vps,
        spec: serde_json::from_value(spec).unwrap(),
        deadline_at: jiff::Timestamp::now() + Duration::from_hours(1),
        usd_left: None,
        tokens_left: None,
    }
}

impl Place {
    /// The same with the model's API at this address.
    pub fn with_model(mut self, url: &str) -> Self {
        self.work.settings.model_url = Some(url.to_owned());
        self
    }

    /// Runs the work as its type.
    pub async fn run(&self) -> Result<Done, Failure> {
        let job_type = self.work.brief.spec.job_type;
        kind_of(job_type).run(&self.work).await
    }

    /// A path in the tenant's repository.
    pub fn repo(&self, path: &str) -> PathBuf {
        self.dir.path().join("workspace/team-a/repo").join(path)
    }

    /// The seat's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

/// The keys of a result, as they stand.
pub fn keys(result: &Value) -> Vec<&str> {
    result
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}
