//! A real DynamoDB of the tests' own: the vendor's DynamoDB Local, in memory. One serves all tests of a process and
//! ends with it, however it ends; each test has a table of its own. `scripts/setup dynamodb` fetches it.

pub mod proxy;
pub mod world;

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider},
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use sandbox_elf::store::dynamodb::{DynamoLedger, DynamoSettings};
use sandbox_operator::store::dynamodb::{DynamoStore, make_table};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::process::Process;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often a port is taken by somebody else before it is given up.
const PORTS: u32 = 3;
const PINS: &str = include_str!("../../../scripts/dynamodb/pom.xml");

static SHARED: OnceCell<DynamoServer> = OnceCell::const_new();

/// A server. It ends with this value, and with its process.
pub struct DynamoServer {
    process: Process,
    port: u16,
    /// It keeps the tables of each key apart; nobody else has this one.
    key: String,
    _folder: TempDir,
}

impl DynamoServer {
    /// The one that all tests of this process share.
    ///
    /// # Errors
    /// It is not fetched, or does not start.
    pub async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// One of a test's own.
    ///
    /// # Errors
    /// It is not fetched, or does not start.
    pub async fn start() -> Result<Self> {
        for _ in 0..PORTS {
            if let Some(server) = Self::on_a_free_port().await? {
                return Ok(server);
            }
        }
        bail!("started DynamoDB Local: somebody else took its port each time");
    }

    /// One that answers; nothing where somebody else was given its port meanwhile.
    async fn on_a_free_port() -> Result<Option<Self>> {
        let folder = tempfile::Builder::new().prefix("dynamodb").tempdir()?;
        let free = std::net::TcpListener::bind("127.0.0.1:0")?;
        let port = free.local_addr()?.port();
        drop(free);
        let log = folder.path().join("log");
        let server = Self {
            process: Process::start((command(port, folder.path())?, log.clone()))?,
            port,
            key: Uuid::new_v4().simple().to_string(),
            _folder: folder,
        };
        let begun = Instant::now();
        let client = server.client();
        while client.list_tables().send().await.is_err() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if server.process.is_over() && said.contains("Address already in use") {
                return Ok(None);
            }
            if server.process.is_over() || begun.elapsed() > PATIENCE {
                bail!("started DynamoDB Local: no answer\n{said}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Some(server))
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client that says what we never would.
    #[must_use]
    pub fn client(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .credentials_provider(self.credentials())
            .endpoint_url(self.endpoint());
        Client::from_conf(config.build())
    }

    fn credentials(&self) -> SharedCredentialsProvider {
        let key = Credentials::new(&self.key, "secret", None, None, "tests");
        SharedCredentialsProvider::new(key)
    }

    /// How to reach a table that is not there yet, with snapshots in the process.
    #[must_use]
    pub fn settings(&self) -> DynamoSettings {
        let table = format!("sandbox-{}", Uuid::new_v4().simple());
        DynamoSettings {
            region: Some(REGION.to_owned()),
            endpoint: Some(self.endpoint()),
            credentials: Some(self.credentials()),
            ..DynamoSettings::new(&table, "memory:")
        }
    }

    /// How to reach a new table.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn table(&self) -> Result<DynamoSettings> {
        let settings = self.settings();
        self.create(&settings.table, ["pk", "sk"]).await?;
        Ok(settings)
    }

    /// Makes a table with these keys.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn create(&self, table: &str, [hash, range]: [&str; 2]) -> Result<()> {
        let mut call = self.client().create_table().table_name(table);
        for (name, kind) in [(hash, KeyType::Hash), (range, KeyType::Range)] {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind);
            call = call
                .attribute_definitions(attribute.build()?)
                .key_schema(key.build()?);
        }
        let made = call.billing_mode(BillingMode::PayPerRequest).send().await;
        made.with_context(|| format!("made the table {table}"))?;
        Ok(())
    }

    /// How to reach a new table for jobs and memory.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn table_for_jobs(&self) -> Result<DynamoSettings> {
        let settings = self.settings();
        make_table(&settings).await?;
        Ok(settings)
    }

    /// Jobs in a new table.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn jobs(&self) -> Result<Arc<DynamoStore>> {
        let settings = self.table_for_jobs().await?;
        Ok(DynamoStore::open(&settings).await?)
    }

    /// What a node is told to keep its records in this table.
    #[must_use]
    pub fn environment(&self, settings: &DynamoSettings) -> Vec<(&'static str, String)> {
        vec![
            ("SANDBOX_STORE", format!("dynamodb://{}", settings.table)),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.endpoint()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", self.key.clone()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// How to reach the same table through a proxy, and that.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn far(&self, settings: &DynamoSettings) -> Result<(proxy::Proxy, DynamoSettings)> {
        let proxy = proxy::Proxy::before(&self.endpoint()).await?;
        let far = DynamoSettings {
            endpoint: Some(proxy.endpoint()),
            ..settings.clone()
        };
        Ok((proxy, far))
    }

    /// A ledger on a new table, with a snapshot after every few writes.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn ledger(&self) -> Result<Arc<DynamoLedger>> {
        let settings = DynamoSettings {
            snapshot_every: 32,
            ..self.table().await?
        };
        Ok(Arc::new(DynamoLedger::open(&settings).await?))
    }
}

/// A region that every test names.
pub const REGION: &str = "eu-central-1";

/// The server, killed when whoever began it is gone.
fn command(port: u16, folder: &std::path::Path) -> Result<Command> {
    let jars = jars()?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "java"]);
    command.arg(format!("-Djava.library.path={}", jars.display()));
    command
        .arg("-cp")
        .arg(format!("{}/*", jars.display()))
        .arg("com.amazonaws.services.dynamodbv2.local.main.ServerRunner");
    command.args(["-inMemory", "-disableTelemetry", "-port", &port.to_string()]);
    command.env("DDB_LOCAL_TELEMETRY", "0").current_dir(folder);
    Ok(command)
}

fn jars() -> Result<PathBuf> {
    let version = PINS.split("<version>").nth(2);
    let version = version.and_then(|rest| rest.split('<').next());
    let version = version.context("read the version of DynamoDB Local from its pom.xml")?;
    let folder = crate::cache::folder()?.join(format!("dynamodb-local-{version}"));
    if !folder.is_dir() {
        bail!(
            "looked for DynamoDB Local in {}: run `scripts/setup dynamodb`",
            folder.display()
        );
    }
    Ok(folder)
}
