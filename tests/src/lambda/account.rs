//! A deployment in an account: what Terraform makes, as the functions meet it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use jiff::Timestamp;
use sandbox_elf::store::dynamodb::DynamoSettings;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};
use uuid::Uuid;

use super::{
    gateway::{Behind, Gateway, Opening},
    pump::{Aside, Pump},
    runtime::{Came, Function},
    switches::Switches,
    trouble::Trouble,
};
use crate::{
    dynamodb::{DynamoServer, REGION},
    ecs::{CLUSTER, DEFINITION, Ecs, Image, LOG_GROUP, Options, Player, Runs},
    engine::Engine,
    node::{PATIENCE, built},
    s3::{BUCKET, S3Server},
};

/// The key of the client `team-a`.
pub const KEY: &str = "sk-of-team-a-which-nobody-may-read";
/// That of `team-b`.
pub const OTHER_KEY: &str = "sk-of-team-b-which-nobody-may-read";
/// What tokens of runners are signed with.
pub const SEATS: &str = "a-secret-of-seats-which-nobody-may-read";

static MOTO: OnceCell<S3Server> = OnceCell::const_new();

/// What is other than usual.
#[derive(Default)]
pub struct Plan {
    /// More variables of both functions, or others.
    pub functions: BTreeMap<String, String>,
    /// More variables of tasks.
    pub tasks: BTreeMap<String, String>,
    /// Tasks are containers of this image in this engine, and not processes.
    pub image: Option<(&'static Engine, &'static str)>,
    /// Tasks are played so, and not processes.
    pub player: Option<Player>,
    /// How many instances each function has; one where nothing is said.
    pub instances: usize,
    /// What goes against functions and events.
    pub trouble: Option<Arc<Trouble>>,
    /// Nothing calls `reconcile` but the test.
    pub silent: bool,
    /// The secrets have no value yet.
    pub without_secrets: bool,
    /// What calls `reconcile` can be switched off.
    pub switched: bool,
}

impl Plan {
    /// With this variable of both functions.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.functions.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With this variable of tasks.
    #[must_use]
    pub fn tell_tasks(mut self, name: &str, value: &str) -> Self {
        self.tasks.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// Where things are.
#[derive(Clone)]
pub struct Place {
    /// The table of jobs.
    pub jobs: DynamoSettings,
    /// The table of memory, with its snapshots.
    pub memory: DynamoSettings,
    /// The queue of wakes.
    pub queue: String,
    dynamodb: &'static DynamoServer,
    moto: &'static S3Server,
    client: reqwest::Client,
}

/// A deployment. It ends with this value.
pub struct Account {
    /// Tasks.
    pub ecs: Arc<Ecs>,
    /// The function that looks at jobs.
    pub reconcile: Arc<Function>,
    /// Where things are.
    pub place: Place,
    env: BTreeMap<String, String>,
    secrets: [String; 2],
    behind: Behind,
    gateway: Gateway,
    aside: Aside,
    client: reqwest::Client,
    switches: Option<Arc<Switches>>,
    _pump: Option<Pump>,
    folder: TempDir,
}

impl Account {
    /// A deployment as it usually is.
    pub async fn new() -> Self {
        Self::with(Plan::default()).await
    }

    /// One that is otherwise in something.
    pub async fn with(plan: Plan) -> Self {
        let place = Place::new().await;
        let opening = Opening::new();
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("authority.pem");
        fs::write(&authority, opening.authority()).unwrap();
        let mut tasks = plan.tasks.clone();
        // What a runner's image has of everybody's authorities.
        tasks.insert("SSL_CERT_FILE".to_owned(), authority.display().to_string());
        let ecs = Ecs::start(Options {
            env: tasks,
            stop_timeout: Duration::from_secs(5),
            runs: runs(&plan, &authority),
            ..Options::of(PathBuf::new())
        });
        let ecs = Arc::new(ecs.await);
        let secrets = [place.secret().await, place.secret().await];
        let mut env = environment(&place, (&ecs, &secrets), &opening.url());
        env.extend(plan.functions);
        let [seats, keys] = &secrets;
        if !plan.without_secrets {
            place.put_secret(seats, SEATS).await;
            place.put_secret(keys, &clients()).await;
        }
        let how = (plan.instances.max(1), plan.trouble.clone());
        let api = Function::several("sandbox-api", &of_api(&env), how.clone()).await;
        let behind: Behind = Arc::new(RwLock::new(Arc::new(api)));
        let reconcile = Function::several("sandbox-reconcile", &of_reconcile(&env), how).await;
        let reconcile = Arc::new(reconcile);
        let gateway = opening.serve(behind.clone()).await;
        let aside = Aside::default();
        let told = (&aside, plan.trouble.clone());
        let mut switches = None;
        if plan.switched {
            switches = Some(Arc::new(Switches::new(&place).await));
        }
        let polled = switches.clone();
        let pump = (!plan.silent).then(|| Pump::start(&place, (&reconcile, &ecs), told, polled));
        let root = reqwest::Certificate::from_pem(gateway.authority().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([root]);
        Self {
            client: client.build().unwrap(),
            ecs,
            reconcile,
            place,
            env,
            secrets,
            behind,
            gateway,
            aside,
            switches,
            _pump: pump,
            folder,
        }
    }

    /// The function that answers requests.
    pub fn api(&self) -> Arc<Function> {
        self.behind.read().unwrap().clone()
    }

    /// Another instance of it takes the place of the one that was there, as after a while without requests.
    pub async fn cold(&self) {
        let api = Arc::new(Function::start("sandbox-api", &of_api(&self.env)).await);
        *self.behind.write().unwrap() = api;
    }

    /// Gives both secrets their values.
    pub async fn put_secrets(&self) {
        let [seats, keys] = &self.secrets;
        self.place.put_secret(seats, SEATS).await;
        self.place.put_secret(keys, &clients()).await;
    }

    /// What a secret of a tenant is called.
    pub fn secret_name(&self, tenant: &str, name: &str) -> String {
        let prefix = &self.env["SANDBOX_FARGATE_SECRETS_PREFIX"];
        format!("{prefix}/{tenant}/{name}")
    }

    /// What was laid aside by the stream of changes.
    pub fn laid_aside(&self) -> Vec<Value> {
        self.aside.lock().unwrap().clone()
    }

    /// Another instance of the function that looks at jobs.
    pub async fn another(&self) -> Function {
        Function::start("sandbox-reconcile", &of_reconcile(&self.env)).await
    }

    /// The clock of every five minutes.
    pub async fn sweep(&self) -> Came {
        self.sweep_by(&self.reconcile).await
    }

    /// The same, told to this instance.
    pub async fn sweep_by(&self, function: &Function) -> Came {
        let event = json!({
            "version": "0", "id": Uuid::new_v4(), "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "123456789012", "time": "2026-01-01T00:00:00Z", "region": REGION,
            "resources": ["arn:aws:events:eu-central-1:123456789012:rule/sandbox-sweep"], "detail": {},
        });
        function.invoke(&event).await
    }

    /// A request with the key of `team-a`.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.open(method, path).header("x-api-key", KEY)
    }

    /// A request without a key.
    pub fn open(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.gateway.url());
        self.client.request(method, url)
    }

    /// The API as a client finds it, and whom such a client trusts.
    pub fn door(&self) -> (String, reqwest::Client) {
        (self.gateway.url(), self.client.clone())
    }

    /// The command line, told where the API is and whom it trusts.
    pub fn command(&self) -> Command {
        let mut command = Command::new(built("sandbox"));
        command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("SANDBOX_SERVER", self.gateway.url())
            .env("SANDBOX_API_KEY", KEY)
            .env("SSL_CERT_FILE", self.folder.path().join("authority.pem"));
        command
    }

    /// `sandbox cloud` with these words, told by Terraform's outputs what the deployment's parts are called.
    pub fn cloud(&self, words: &[&str]) -> Command {
        let file = self.folder.path().join("outputs.json");
        fs::write(&file, self.outputs().to_string()).unwrap();
        let mut command = self.command();
        let ours = self.env.iter().filter(|(name, _)| name.starts_with("AWS_"));
        command
            .arg("cloud")
            .args(words)
            .envs(ours)
            .env("AWS_ENDPOINT_URL_LAMBDA", self.place.moto())
            .env("AWS_ENDPOINT_URL_EVENTBRIDGE", self.place.moto())
            .env("SANDBOX_CLOUD_OUTPUTS", file);
        command
    }

    /// What `terraform output -json` would print.
    pub fn outputs(&self) -> Value {
        let switches = self.switches();
        let of = |value: Value| json!({"sensitive": false, "type": "string", "value": value});
        json!({
            "region": of(json!(REGION)),
            "records_table": of(json!(self.place.jobs.table)),
            "cluster": of(json!(CLUSTER)),
            "queues": of(json!({"wakes": self.place.queue})),
            "sweep_rule": of(json!(switches.rule)),
            "event_sources": of(json!(switches.sources)),
            "standing": of(json!({"kms_keys": 1, "secrets": 2, "alarms": 10, "way_out": "address"})),
        })
    }

    /// What calls `reconcile` though nothing happens.
    pub fn switches(&self) -> &Switches {
        self.switches.as_ref().unwrap()
    }

    /// Reads this path; status and text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.request(reqwest::Method::GET, path).send().await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Submits a job with this spec and gives its id.
    pub async fn submit(&self, spec: &Value) -> String {
        let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec});
        let asked = self.request(reqwest::Method::POST, "/jobs").json(&job);
        let answer = asked.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{text}\n{}", self.api().log());
        let job: Value = serde_json::from_str(&text).unwrap();
        job["job_id"].as_str().unwrap().to_owned()
    }

    /// The job's record.
    pub async fn job(&self, id: &str) -> Value {
        let (status, text) = self.get(&format!("/jobs/{id}")).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until the job's record is as wanted.
    pub async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let from = Instant::now();
        loop {
            let job = self.job(id).await;
            if wanted(&job) {
                return job;
            }
            let log = || self.reconcile.log();
            assert!(
                from.elapsed() < PATIENCE,
                "never as wanted: {job:#}\n{}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits for the end of the job.
    pub async fn ended(&self, id: &str) -> Value {
        self.until(id, |job| !job["outcome"].is_null()).await
    }
}

/// What a task's container is; one of an image is shown the authority where this machine has it.
fn runs(plan: &Plan, authority: &Path) -> Runs {
    match (&plan.image, &plan.player) {
        (Some((engine, tag)), _) => Runs::Container(Image {
            engine,
            tag: (*tag).to_owned(),
            files: vec![authority.to_owned()],
        }),
        (None, Some(player)) => Runs::Played(player.clone()),
        (None, None) => Runs::Process(built("sandbox")),
    }
}

fn clients() -> String {
    json!({KEY: "team-a", OTHER_KEY: "team-b"}).to_string()
}

/// Every variable of both functions, as the module `api` of Terraform has them, and where servers are.
fn environment(
    place: &Place,
    (ecs, [seats, keys]): (&Ecs, &[String; 2]),
    door: &str,
) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = place
        .dynamodb
        .environment(&place.jobs)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let (moto, ecs) = (place.moto.endpoint(), ecs.endpoint());
    let memory = &place.memory;
    let more = [
        ("SANDBOX_ELF", format!("dynamodb://{}", memory.table)),
        ("SANDBOX_OBJECTS", memory.snapshots.clone()),
        ("SANDBOX_SEAT_SECRET", seats.clone()),
        ("SANDBOX_SEAT_DOOR", door.to_owned()),
        ("SANDBOX_KEYS_SECRET", keys.clone()),
        ("SANDBOX_WAKES", place.queue.clone()),
        ("SANDBOX_FARGATE_CLUSTER", CLUSTER.to_owned()),
        ("SANDBOX_FARGATE_TASK_DEFINITION", DEFINITION.to_owned()),
        ("SANDBOX_FARGATE_SUBNETS", "subnet-1".to_owned()),
        ("SANDBOX_FARGATE_SECURITY_GROUPS", "sg-1".to_owned()),
        ("SANDBOX_FARGATE_PUBLIC_ADDRESS", "true".to_owned()),
        ("SANDBOX_FARGATE_SEAT_DOOR", door.to_owned()),
        ("SANDBOX_FARGATE_CAPACITY", "on-demand".to_owned()),
        ("SANDBOX_FARGATE_LOG_GROUP", LOG_GROUP.to_owned()),
        ("SANDBOX_FARGATE_EXEC", "false".to_owned()),
        (
            "SANDBOX_FARGATE_SECRETS_PREFIX",
            format!("{}/tenants", Uuid::new_v4().simple()),
        ),
        ("AWS_ENDPOINT_URL_S3", moto.clone()),
        ("AWS_ENDPOINT_URL_SQS", moto.clone()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", moto),
        ("AWS_ENDPOINT_URL_ECS", ecs.clone()),
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", ecs),
    ];
    env.extend(more.map(|(name, value)| (name.to_owned(), value)));
    env
}

/// What the function that answers requests is told: nothing by which it could start a task.
fn of_api(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let tasks = |name: &String| name.starts_with("SANDBOX_FARGATE_") || name == "SANDBOX_WAKES";
    let both = [
        "SANDBOX_FARGATE_LOG_GROUP",
        "SANDBOX_FARGATE_SECRETS_PREFIX",
    ];
    let kept = |name: &String| !tasks(name) || both.contains(&name.as_str());
    let all = env.iter().filter(|(name, _)| kept(name));
    all.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn of_reconcile(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut env = env.clone();
    env.remove("SANDBOX_KEYS_SECRET");
    env
}

/// One shard of the stream of a table, read from its beginning.
pub(super) struct Stream {
    place: Place,
    arn: Value,
    shard: Value,
    iterator: Value,
    last: Option<Value>,
}

impl Stream {
    /// What was written since the last time: changes of jobs alone, as the filter of the deployment has it.
    pub(super) async fn next(&mut self) -> Vec<Value> {
        let asked = json!({"ShardIterator": self.iterator});
        let Ok(said) = self.place.streams("GetRecords", &asked).await else {
            // An empty shard of DynamoDB Local has no oldest record to begin with.
            self.begin().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Vec::new();
        };
        self.iterator = said["NextShardIterator"].clone();
        let all = said["Records"].as_array().cloned().unwrap_or_default();
        if let Some(last) = all.last() {
            self.last = Some(last["dynamodb"]["SequenceNumber"].clone());
        }
        let is_job = |r: &Value| {
            let key = r["dynamodb"]["Keys"]["pk"]["S"].as_str();
            key.is_some_and(|key| key.starts_with("job#"))
        };
        let jobs: Vec<Value> = all.into_iter().filter(is_job).collect();
        if jobs.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        jobs
    }

    /// After what was read last.
    async fn begin(&mut self) {
        let mut asked = json!({"StreamArn": self.arn, "ShardId": self.shard, "ShardIteratorType": "TRIM_HORIZON"});
        if let Some(last) = &self.last {
            asked["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            asked["SequenceNumber"] = last.clone();
        }
        let given = self.place.streams("GetShardIterator", &asked).await;
        self.iterator = given.unwrap()["ShardIterator"].clone();
    }
}

/// Where DynamoDB answers, and where SQS, S3 and the secrets do.
pub async fn servers() -> (String, String) {
    let dynamodb = DynamoServer::shared().await.unwrap();
    let moto = MOTO.get_or_try_init(S3Server::start).await.unwrap();
    (dynamodb.endpoint(), moto.endpoint())
}

impl Place {
    async fn new() -> Self {
        let dynamodb = DynamoServer::shared().await.unwrap();
        let moto = MOTO.get_or_try_init(S3Server::start).await.unwrap();
        let jobs = dynamodb.table_for_jobs().await.unwrap();
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::KeysOnly);
        let call = dynamodb.client().update_table().table_name(&jobs.table);
        let call = call.stream_specification(stream.build().unwrap());
        call.send().await.unwrap();
        let memory = DynamoSettings {
            snapshots: format!("s3://{BUCKET}/{}", Uuid::new_v4().simple()),
            s3_endpoint: Some(moto.endpoint()),
            ..dynamodb.table().await.unwrap()
        };
        let mut place = Self {
            jobs,
            memory,
            queue: String::new(),
            dynamodb,
            moto,
            client: reqwest::Client::new(),
        };
        let asked = json!({"QueueName": format!("wakes-{}", Uuid::new_v4()), "Attributes": {"VisibilityTimeout": "2"}});
        let made = place.sqs("CreateQueue", &asked).await;
        made["QueueUrl"]
            .as_str()
            .unwrap()
            .clone_into(&mut place.queue);
        place
    }

    /// The header of a signature that is looked at by nobody.
    fn signed(&self, service: &str) -> String {
        let key = self.dynamodb.environment(&self.jobs);
        let key = key.iter().find(|(name, _)| *name == "AWS_ACCESS_KEY_ID");
        let key = &key.unwrap().1;
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=1"
        )
    }

    /// A call of AWS's JSON protocol.
    async fn call(
        &self,
        url: &str,
        (target, service): (&str, &str),
        body: &Value,
    ) -> Result<Value, String> {
        let asked = self.client.post(url).body(body.to_string());
        let asked = asked
            .header("authorization", self.signed(service))
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0");
        let said = asked.send().await.unwrap();
        let status = said.status();
        let text = said.text().await.unwrap();
        if !status.is_success() {
            return Err(format!("{target}: {text}"));
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn streams(&self, action: &str, body: &Value) -> Result<Value, String> {
        let target = format!("DynamoDBStreams_20120810.{action}");
        let url = self.dynamodb.endpoint();
        self.call(&url, (&target, "dynamodb"), body).await
    }

    /// A call of SQS.
    pub async fn sqs(&self, action: &str, body: &Value) -> Value {
        let target = format!("AmazonSQS.{action}");
        let url = self.moto.endpoint();
        self.call(&url, (&target, "sqs"), body).await.unwrap()
    }

    /// A call of `EventBridge`.
    pub(super) async fn events(&self, action: &str, body: &Value) -> Value {
        let target = format!("AWSEvents.{action}");
        let url = self.moto.endpoint();
        self.call(&url, (&target, "events"), body).await.unwrap()
    }

    /// A call of Lambda, which has paths.
    pub(super) async fn lambda(&self, (method, path): (&str, &str), body: &Value) -> Value {
        let url = format!("{}{path}", self.moto.endpoint());
        let asked = self.client.request(method.parse().unwrap(), url);
        let asked = asked.header("authorization", self.signed("lambda"));
        let said = asked.json(body).send().await.unwrap();
        said.error_for_status().unwrap().json().await.unwrap()
    }

    /// A call of a service that takes forms; no field needs an escape.
    pub(super) async fn form(&self, service: &str, fields: &[(&str, &str)]) {
        let pairs = fields.iter().map(|(name, value)| format!("{name}={value}"));
        let form = pairs.collect::<Vec<_>>().join("&");
        let asked = self.client.post(self.moto.endpoint()).body(form);
        let asked = asked
            .header("authorization", self.signed(service))
            .header("content-type", "application/x-www-form-urlencoded");
        asked.send().await.unwrap().error_for_status().unwrap();
    }

    /// The stream of a new table of moto's.
    pub(super) async fn stream_of_moto(&self, table: &str) -> String {
        let url = self.moto.endpoint();
        let asked = json!({
            "TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
        });
        let target = ("DynamoDB_20120810.CreateTable", "dynamodb");
        let made = self.call(&url, target, &asked).await.unwrap();
        let arn = made["TableDescription"]["LatestStreamArn"].as_str();
        arn.unwrap().to_owned()
    }

    async fn secrets(&self, action: &str, body: &Value) -> Value {
        let target = format!("secretsmanager.{action}");
        let url = self.moto.endpoint();
        let call = self.call(&url, (&target, "secretsmanager"), body);
        call.await.unwrap()
    }

    /// A new secret of this name, which holds this.
    pub async fn secret_of(&self, name: &str, text: &str) {
        let asked = json!({"Name": name, "SecretString": text});
        self.secrets("CreateSecret", &asked).await;
    }

    /// A new secret without a value.
    async fn secret(&self) -> String {
        let name = format!("sandbox/{}", Uuid::new_v4());
        let made = self.secrets("CreateSecret", &json!({"Name": name})).await;
        made["ARN"].as_str().unwrap().to_owned()
    }

    async fn put_secret(&self, arn: &str, text: &str) {
        let asked =
            json!({"SecretId": arn, "SecretString": text, "ClientRequestToken": Uuid::new_v4()});
        self.secrets("PutSecretValue", &asked).await;
    }

    /// Where SQS, S3 and the secrets answer.
    pub fn moto(&self) -> String {
        self.moto.endpoint()
    }

    /// Where DynamoDB answers.
    pub fn dynamodb(&self) -> String {
        self.dynamodb.endpoint()
    }

    /// What speaks to the table itself.
    pub fn table(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.client()
    }

    pub(super) async fn stream(&self) -> Stream {
        let listed = json!({"TableName": self.jobs.table});
        let listed = self.streams("ListStreams", &listed).await.unwrap();
        let arn = listed["Streams"][0]["StreamArn"].clone();
        let described = self
            .streams("DescribeStream", &json!({"StreamArn": arn}))
            .await;
        let shard = described.unwrap()["StreamDescription"]["Shards"][0]["ShardId"].clone();
        let mut stream = Stream {
            place: self.clone(),
            arn,
            shard,
            iterator: Value::Null,
            last: None,
        };
        stream.begin().await;
        stream
    }

    pub(super) async fn receive(&self) -> Vec<Value> {
        let asked =
            json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1});
        let said = self.sqs("ReceiveMessage", &asked).await;
        said["Messages"].as_array().cloned().unwrap_or_default()
    }

    pub(super) async fn delete(&self, message: &Value) {
        let asked = json!({"QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"]});
        self.sqs("DeleteMessage", &asked).await;
    }

    /// A time from now on, as a wake has it.
    pub fn later(minutes: i64) -> Timestamp {
        Timestamp::now() + jiff::SignedDuration::from_mins(minutes)
    }
}
