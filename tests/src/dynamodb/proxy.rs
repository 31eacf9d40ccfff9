//! What stands between a program and DynamoDB, or another service of AWS, in tests: it loses requests and answers, and says
//! what the service says when it is not well. Everything else it passes on. It counts what is asked and the units of it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use axum::body::Bytes;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It does not arrive, and the connection breaks.
    LoseRequest,
    /// It is done, and the connection breaks before the answer.
    LoseAnswer,
    /// It is not done, and this error is said instead, with its status.
    Say(u16, String),
}

impl Fault {
    /// This error, as DynamoDB says it.
    #[must_use]
    pub fn error(status: u16, kind: &str) -> Self {
        let space = "com.amazonaws.dynamodb.v20120810";
        Self::Say(
            status,
            format!(r#"{{"__type":"{space}#{kind}","message":"said by the test"}}"#),
        )
    }

    /// A transaction that was canceled for this reason.
    #[must_use]
    pub fn canceled(reason: &str) -> Self {
        let space = "com.amazonaws.dynamodb.v20120810";
        Self::Say(
            400,
            format!(
                r#"{{"__type":"{space}#TransactionCanceledException","Message":"canceled","CancellationReasons":[{{"Code":"{reason}"}},{{"Code":"None"}}]}}"#
            ),
        )
    }
}

/// Says of a request of this operation how it goes wrong, if it does.
pub type Roll = Box<dyn Fn(&str) -> Option<Fault> + Send>;

/// What DynamoDB says that requests have cost, by operation and table.
pub type Units = BTreeMap<(String, String), f64>;

#[derive(Default)]
struct Plan {
    faults: HashMap<String, VecDeque<Fault>>,
    roll: Option<Roll>,
    seen: BTreeMap<String, usize>,
    units: Units,
    queries: BTreeMap<String, usize>,
    bodies: Vec<(String, String)>,
}

impl Plan {
    /// Notes a request, and how it goes wrong. Where everything may, what was said is not kept.
    fn meet(&mut self, operation: &str, body: &[u8]) -> Option<Fault> {
        *self.seen.entry(operation.to_owned()).or_default() += 1;
        if operation == "Query" {
            *self.queries.entry(queried(body)).or_default() += 1;
        }
        if let Some(roll) = &self.roll {
            return roll(operation);
        }
        let body = String::from_utf8_lossy(body).into_owned();
        self.bodies.push((operation.to_owned(), body));
        self.faults.get_mut(operation).and_then(VecDeque::pop_front)
    }

    fn note(&mut self, operation: &str, answer: &[u8]) {
        let said: Value = serde_json::from_slice(answer).unwrap_or_default();
        let consumed = &said["ConsumedCapacity"];
        let all = consumed
            .as_array()
            .map_or(std::slice::from_ref(consumed), Vec::as_slice);
        for one in all {
            if let (Some(units), Some(table)) =
                (one["CapacityUnits"].as_f64(), one["TableName"].as_str())
            {
                let key = (operation.to_owned(), table.to_owned());
                *self.units.entry(key).or_default() += units;
            }
        }
    }
}

/// What a query asks for: an index, or items of this kind.
fn queried(body: &[u8]) -> String {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut values = asked["ExpressionAttributeValues"]
        .as_object()
        .into_iter()
        .flatten();
    let key = values
        .find_map(|(_, value)| value["S"].as_str())
        .unwrap_or_default();
    let kind = key.split_once('#').map_or("more", |(kind, _)| kind);
    asked["IndexName"].as_str().unwrap_or(kind).to_owned()
}

/// A proxy. It ends with this value.
pub struct Proxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// One before the server at this address.
    ///
    /// # Errors
    /// It cannot listen.
    pub async fn before(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let plan = Arc::new(Mutex::new(Plan::default()));
        let (server, known) = (server.to_owned(), Arc::clone(&plan));
        let task = tokio::spawn(async move {
            let client = reqwest::Client::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (server, client, plan) = (server.clone(), client.clone(), Arc::clone(&known));
                tokio::spawn(async move {
                    // A connection that breaks is what it is for.
                    let _ = serve(stream, (&server, &client, &plan)).await;
                });
            }
        });
        Ok(Self {
            address,
            plan,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What happens to the next requests of this operation, in this order.
    pub fn next(&self, operation: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let planned = plan.faults.entry(operation.to_owned()).or_default();
        planned.extend(faults);
    }

    /// From now on each request goes wrong as this says; what is said is kept no more.
    pub fn roll(&self, roll: Roll) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.roll = Some(roll);
    }

    /// How often each operation was asked for, and the units of it.
    #[must_use]
    pub fn counts(&self) -> (BTreeMap<String, usize>, Units) {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        (plan.seen.clone(), plan.units.clone())
    }

    /// How often was queried what: an index, or items of a kind.
    #[must_use]
    pub fn queries(&self) -> BTreeMap<String, usize> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.queries.clone()
    }

    /// Forgets what was to happen.
    pub fn heal(&self) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.faults.clear();
    }

    /// What requests of this operation said, in order.
    #[must_use]
    pub fn bodies(&self, operation: &str) -> Vec<String> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let of = plan.bodies.iter().filter(|(name, _)| name == operation);
        of.map(|(_, body)| body.clone()).collect()
    }

    /// How many requests of this operation there were.
    #[must_use]
    pub fn seen(&self, operation: &str) -> usize {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.seen.get(operation).copied().unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// The action that is asked for, or the method where the protocol names none.
    fn operation(&self) -> &str {
        let target = self.header("x-amz-target");
        let action = target.and_then(|t| t.rsplit('.').next());
        action.unwrap_or(&self.method)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

async fn serve(
    stream: TcpStream,
    (server, client, plan): (&str, &reqwest::Client, &Mutex<Plan>),
) -> Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let operation = request.operation().to_owned();
        let fault = {
            let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            plan.meet(&operation, &request.body)
        };
        let answer = match fault {
            Some(Fault::LoseRequest) => return Ok(()),
            Some(Fault::LoseAnswer) => {
                let (_, body) = pass(server, client, &request).await?;
                note(plan, &operation, &body);
                return Ok(());
            }
            Some(Fault::Say(status, body)) => said(status, &[], body.as_bytes()),
            None => {
                let (answer, body) = pass(server, client, &request).await?;
                note(plan, &operation, &body);
                answer
            }
        };
        stream.write_all(&answer).await?;
    }
    Ok(())
}

fn note(plan: &Mutex<Plan>, operation: &str, answer: &[u8]) {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    plan.note(operation, answer);
}

/// The next request of a connection; nothing when it is over.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return Ok(None),
            Err(e) => return Err(e.into()),
        }
    }
    let head = String::from_utf8(head)?;
    let mut first = head.split(' ');
    let (method, path) = (first.next(), first.next());
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers = pairs.map(|(n, v)| (n.trim().to_lowercase(), v.trim().to_owned()));
    let mut request = Request {
        method: method.unwrap_or_default().to_owned(),
        path: path.unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
    };
    let length = request.header("content-length").unwrap_or("0").parse()?;
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

/// The answer as it is passed on, and its body.
async fn pass(
    server: &str,
    client: &reqwest::Client,
    request: &Request,
) -> Result<(Vec<u8>, Bytes)> {
    let url = format!("{server}{}", request.path);
    let call = client.request(request.method.parse()?, url);
    let mut call = call.body(request.body.clone());
    let ours = ["content-length", "connection", "transfer-encoding"];
    for (name, value) in &request.headers {
        if !ours.contains(&name.as_str()) {
            call = call.header(name, value);
        }
    }
    let told = call.send().await.context("passed on")?;
    let status = told.status().as_u16();
    let headers = told.headers().iter();
    let headers: Vec<(String, String)> = headers
        .filter(|(name, _)| !ours.contains(&name.as_str()))
        .map(|(name, value)| {
            (
                name.to_string(),
                value.to_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let body = told.bytes().await?;
    Ok((said(status, &headers, &body), body))
}

fn said(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        // Writing into memory does not fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if headers.is_empty() {
        text += "content-type: application/x-amz-json-1.0\r\n";
    }
    let mut all = (text + "\r\n").into_bytes();
    all.extend(body);
    all
}
