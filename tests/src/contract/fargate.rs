//! The back end of Fargate before the double of ECS, with a shell script in the runner's place.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use jiff::Timestamp;
use object_store::memory::InMemory;
use sandbox_core::{
    AgentJob, Brief, Seat, Uid,
    port::{Backend, Created, Store, Write},
    spec::{BackendName, FargateCapacity},
    status::Intent,
};
use sandbox_operator::{
    aws::AwsWay,
    backend::{
        fargate::{BURST, FargateBackend, FargateConfig, PER_SECOND, Prices, Size},
        kept::log_path,
    },
    control::Waker,
    store::memory::MemoryStore,
    tokens::Tokens,
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::backend::{Place, new_brief};
use crate::ecs::{CLUSTER, DEFINITION, Ecs, LOG_GROUP, Options, REGION};

/// A script that works until it is asked to end.
pub const WORK: &str = "say up; exec sleep 600";
/// The longest a test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// The back end, its cluster, and the jobs that it is told of.
pub struct Fargate {
    /// The cluster.
    pub ecs: Ecs,
    /// The back end.
    pub backend: Arc<FargateBackend>,
    /// What it was made of.
    pub config: FargateConfig,
    /// Where jobs stand.
    pub store: Arc<dyn Store>,
    /// Whom it has looked at.
    pub calls: Mutex<mpsc::UnboundedReceiver<Uid>>,
    aws: SdkConfig,
    folder: tempfile::TempDir,
}

impl Fargate {
    /// A back end whose runner is this script.
    pub async fn new(script: &str) -> Self {
        Self::with(script, |_| {}).await
    }

    /// As [`Fargate::new`], the configuration changed first.
    pub async fn with(script: &str, change: impl FnOnce(&mut FargateConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ecs = Ecs::start(Options {
            stop_timeout: Duration::from_secs(5),
            ..Options::of(written(folder.path(), script))
        });
        let ecs = ecs.await;
        let aws = aws(&ecs).await;
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let mut config = config(store.clone());
        change(&mut config);
        let (waker, calls) = Waker::new();
        let backend = FargateBackend::new(&aws, config.clone(), waker).unwrap();
        Self {
            ecs,
            backend: Arc::new(backend),
            config,
            store,
            calls: Mutex::new(calls),
            aws,
            folder,
        }
    }

    /// Another back end for the same cluster, as after a restart of ours.
    pub fn restarted(&self) -> FargateBackend {
        self.restarted_with(|_| {})
    }

    /// The same with other settings.
    pub fn restarted_with(&self, change: impl FnOnce(&mut FargateConfig)) -> FargateBackend {
        let mut config = self.config.clone();
        change(&mut config);
        FargateBackend::new(&self.aws, config, Waker::new().0).unwrap()
    }

    /// A brief of a new job that asks for this, its intent written down.
    pub async fn brief_of(&self, fargate: &Value) -> Brief {
        written_down(self.store.as_ref(), self.backend.as_ref(), fargate).await
    }

    /// The job with something changed.
    pub async fn change(&self, uid: &Uid, change: impl FnOnce(&mut AgentJob)) {
        let mut job = self.store.load(uid).await.unwrap().unwrap();
        change(&mut job);
        let change = sandbox_core::port::Change {
            write: Write::Put(Box::new(job)),
            holds: None,
            events: Vec::new(),
        };
        self.store.commit(change).await.unwrap();
    }

    /// The job is no more.
    pub async fn removed(&self, uid: &Uid) {
        let job = self.store.load(uid).await.unwrap().unwrap();
        let change = sandbox_core::port::Change {
            write: Write::Remove {
                uid: uid.clone(),
                version: job.version(),
            },
            holds: None,
            events: Vec::new(),
        };
        self.store.commit(change).await.unwrap();
    }

    /// Launches a new seat; gives it with the task that was begun for it.
    pub async fn launch(&self) -> (Brief, String) {
        let brief = self.brief_of(&json!({})).await;
        self.backend.launch(&brief).await.unwrap();
        self.up(&brief.seat).await;
        let arn = self.ecs.begun().pop().unwrap();
        (brief, arn)
    }

    fn said(&self, seat: &Seat) -> PathBuf {
        let seat = seat.to_string().replace('/', "-");
        self.folder.path().join(format!("said-{seat}"))
    }
}

/// A brief of a new job that asks for this, its first attempt's intent written down.
pub async fn written_down(store: &dyn Store, backend: &dyn Backend, fargate: &Value) -> Brief {
    let spec =
        json!({"type": "echo", "echo": {}, "backend": {"name": "fargate", "fargate": fargate}});
    let brief = Brief {
        spec: serde_json::from_value(spec).unwrap(),
        ..new_brief(BackendName::Fargate)
    };
    let job = json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob",
        "metadata": {"name": brief.seat.uid, "namespace": brief.tenant, "uid": brief.seat.uid},
        "spec": brief.spec,
    });
    let mut job: AgentJob = serde_json::from_value(job).unwrap();
    let mut status = job.status().into_owned();
    status.attempt = 1;
    let now = Timestamp::now();
    let intent = json!({"backend": "fargate", "at": now, "deadlineAt": now});
    let mut intent: Intent = serde_json::from_value(intent).unwrap();
    intent.launch = backend.freeze(&brief.spec);
    status.intent = Some(intent);
    job.status = Some(status);
    assert!(matches!(store.create(job, None).await, Ok(Created::New(_))));
    brief
}

/// What clients of this cluster are made of.
pub async fn aws(ecs: &Ecs) -> SdkConfig {
    aws_at(ecs.endpoint()).await
}

/// What clients of whatever answers there are made of.
pub async fn aws_at(endpoint: String) -> SdkConfig {
    let key = Credentials::new("key", "secret", None, None, "tests");
    let way = AwsWay {
        region: Some(REGION.to_owned()),
        endpoint: Some(endpoint),
        credentials: Some(SharedCredentialsProvider::new(key)),
    };
    way.load().await.unwrap()
}

fn written(folder: &Path, script: &str) -> PathBuf {
    let runner = folder.join("runner");
    let prelude = format!(
        "#!/bin/sh\nfolder='{}'\nseat=$(echo \"$3\" | tr / -)\necho \"$seat\" >> \"$folder/starts\"\nsay() {{ echo \"$*\"; echo \"$*\" >> \"$folder/said-$seat\"; }}\n",
        folder.display()
    );
    fs::write(&runner, format!("{prelude}{script}\n")).unwrap();
    fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
    runner
}

/// What the back end of the tests is told.
pub fn config(store: Arc<dyn Store>) -> FargateConfig {
    FargateConfig {
        cluster: CLUSTER.to_owned(),
        region: REGION.to_owned(),
        definition: DEFINITION.to_owned(),
        container: "runner".to_owned(),
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec!["sg-1".to_owned()],
        public_address: false,
        door: "https://10.0.0.1:1".to_owned(),
        authority: "none".to_owned(),
        tokens: Tokens::new(b"a secret of tests"),
        size: Size {
            cpu_units: 256,
            memory_mib: 512,
        },
        capacity: FargateCapacity::OnDemand,
        prices: Prices::default(),
        tags: Vec::new(),
        exec: false,
        logs: Some((LOG_GROUP.to_owned(), "sandbox".to_owned())),
        launches: (BURST, PER_SECOND),
        prepare_within: Duration::from_mins(10),
        orphan_after: Duration::ZERO,
        lease: Duration::from_mins(10),
        files: Arc::new(InMemory::new()),
        log_path,
        store,
        secrets: None,
    }
}

#[async_trait]
impl Place for Fargate {
    fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    async fn brief(&self) -> Brief {
        self.brief_of(&json!({})).await
    }

    async fn up(&self, seat: &Seat) {
        let (said, from) = (self.said(seat), Instant::now());
        while !fs::read_to_string(&said).is_ok_and(|text| text.contains("up\n")) {
            assert!(from.elapsed() < PATIENCE, "never up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn over(&self, instance: &str) {
        let arn = instance.strip_prefix("task:").unwrap();
        self.ecs.until(arn, "STOPPED").await;
    }

    fn starts(&self) -> usize {
        let text = fs::read_to_string(self.folder.path().join("starts"));
        text.unwrap_or_default().lines().count()
    }
}
