//! AWS's JSON protocol, version 1.1: one path, the action in a header, and errors by their `__type`.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Fault, Shared,
    check::{self, Refused},
    run,
    state::{self, Task, id_of},
};

/// Most tasks in one answer, or in one question.
const PAGE: usize = 100;

type Double = (Arc<Shared>, SocketAddr);

pub(super) fn routes(shared: Arc<Shared>, address: SocketAddr) -> Router {
    Router::new()
        .route("/", post(answer))
        .route("/v4/{id}/task", get(metadata))
        .with_state((shared, address))
}

/// What the agent of ECS tells a container of its task.
async fn metadata(State((shared, _)): State<Double>, Path(id): Path<String>) -> Response {
    let state = shared.lock();
    match state.of_ref(&id) {
        Some(task) => Json(json!({
            "TaskARN": task.arn, "PullStartedAt": task.created.to_string(), "LaunchType": "FARGATE",
        }))
        .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn answer(
    State((shared, address)): State<Double>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|t| t.to_str().ok());
    let action = target
        .and_then(|t| t.rsplit('.').next())
        .unwrap_or_default();
    let request: Value = serde_json::from_str(&body).unwrap_or_default();
    let fault = {
        let mut state = shared.lock();
        state.asked.push(action.to_owned());
        let planned = state.faults.get_mut(action).and_then(VecDeque::pop_front);
        planned.or_else(|| state.roll.as_ref().and_then(|roll| roll(action)))
    };
    match fault {
        None => reply(done(&shared, address, (action, &request))),
        Some(Fault::AnswerLost) => {
            drop(done(&shared, address, (action, &request)));
            broken()
        }
        Some(Fault::Failed) => broken(),
        Some(Fault::Throttled) => reply(Err(("ThrottlingException", "Rate exceeded".to_owned()))),
        Some(Fault::Refused(code, words)) => reply(Err((code, words.to_owned()))),
    }
}

fn broken() -> Response {
    let body = json!({"__type": "ServerException", "message": "Service Unavailable. Please try again later."});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
}

fn reply(answer: Result<Value, Refused>) -> Response {
    let headers = [("content-type", "application/x-amz-json-1.1")];
    match answer {
        Ok(body) => (headers, body.to_string()).into_response(),
        Err((code, message)) => {
            let mut body = json!({"__type": code, "message": message});
            if code == "ConflictException" {
                // Its words are the task's ARN here; the API has them apart.
                body = json!({"__type": code, "message": "the clientToken was used with other parameters", "resourceIds": [message]});
            }
            (StatusCode::BAD_REQUEST, headers, body.to_string()).into_response()
        }
    }
}

fn done(
    shared: &Arc<Shared>,
    address: SocketAddr,
    (action, request): (&str, &Value),
) -> Result<Value, Refused> {
    if action == "GetLogEvents" {
        return log(shared, request);
    }
    check::cluster(request)?;
    match action {
        "RunTask" => run_task(shared, address, request),
        "ListTasks" => list(shared, request),
        "DescribeTasks" => describe(shared, request),
        "StopTask" => stop(shared, request),
        _ => Err(("InvalidAction", format!("there is no {action} here"))),
    }
}

fn run_task(shared: &Arc<Shared>, address: SocketAddr, request: &Value) -> Result<Value, Refused> {
    let _turn = shared.launching.lock().unwrap();
    shared.lock().launches.push(request.clone());
    check::launch(request)?;
    let token = request["clientToken"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let known = shared.lock().tokens.get(&token).cloned();
    if let Some((before, answer)) = known {
        if before == *request {
            return Ok(answer);
        }
        let arn = answer["tasks"][0]["taskArn"].as_str().unwrap_or_default();
        return Err(("ConflictException", arn.to_owned()));
    }
    let provider = &request["capacityProviderStrategy"][0]["capacityProvider"];
    let provider = provider.as_str().unwrap_or_default();
    let answer = if shared.lock().without_capacity.contains(provider) {
        let reason = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
        json!({"tasks": [], "failures": [{"reason": reason}]})
    } else {
        json!({"tasks": [begin(shared, address, request)], "failures": []})
    };
    if !token.is_empty() {
        let said = (request.clone(), answer.clone());
        shared.lock().tokens.insert(token, said);
    }
    Ok(answer)
}

fn begin(shared: &Arc<Shared>, address: SocketAddr, request: &Value) -> Value {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let task = Task {
        arn: state::arn(&id),
        status: "PROVISIONING",
        desired: "RUNNING",
        version: 0,
        created: Timestamp::now(),
        request: request.clone(),
        hold: None,
        exit_code: None,
        stop: None,
        stopped: None,
        lost: false,
        log: shared.folder.path().join(format!("{id}.log")),
        told: Vec::new(),
    };
    let mut state = shared.lock();
    state.tasks.insert(id.clone(), task);
    state.change(&id, |_| {});
    let told = state.of_ref(&id).map(Task::describe);
    drop(state);
    shared.bump();
    tokio::spawn(run::live(shared.clone(), id, address));
    told.unwrap_or_default()
}

fn list(shared: &Shared, request: &Value) -> Result<Value, Refused> {
    let filters = [
        "desiredStatus",
        "family",
        "serviceName",
        "launchType",
        "containerInstance",
    ];
    let started_by = request["startedBy"].as_str();
    if started_by.is_some() && filters.iter().any(|f| !request[*f].is_null()) {
        let words = "startedBy must be the only filter";
        return Err(("InvalidParameterException", words.to_owned()));
    }
    let desired = request["desiredStatus"].as_str().unwrap_or("RUNNING");
    let state = shared.lock();
    let fits = |task: &Value| {
        task["desiredStatus"] == desired && started_by.is_none_or(|s| task["startedBy"] == s)
    };
    let keep = shared.options.keep_stopped;
    let visible = state.tasks.values().filter_map(|t| t.visible(keep));
    let all: Vec<&Value> = visible.filter(|t| fits(t)).map(|t| &t["taskArn"]).collect();
    let from = request["nextToken"]
        .as_str()
        .and_then(|t| t.parse().ok())
        .unwrap_or(0);
    let most = request["maxResults"]
        .as_u64()
        .and_then(|n| usize::try_from(n).ok());
    let to = all.len().min(from + most.unwrap_or(PAGE).min(PAGE));
    let mut answer = json!({"taskArns": all[from.min(to)..to]});
    if to < all.len() {
        answer["nextToken"] = json!(to.to_string());
    }
    Ok(answer)
}

fn describe(shared: &Shared, request: &Value) -> Result<Value, Refused> {
    let asked = request["tasks"].as_array().cloned().unwrap_or_default();
    if asked.is_empty() || asked.len() > PAGE {
        let words = "Tasks must have between 1 and 100 items";
        return Err(("InvalidParameterException", words.to_owned()));
    }
    let with_tags = request["include"].to_string().contains("TAGS");
    let state = shared.lock();
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for arn in asked.iter().filter_map(Value::as_str) {
        let task = state.of_ref(arn);
        match task.and_then(|t| t.visible(shared.options.keep_stopped)) {
            Some(told) => {
                let mut told = told.clone();
                if let (false, Some(fields)) = (with_tags, told.as_object_mut()) {
                    fields.remove("tags");
                }
                tasks.push(told);
            }
            None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
        }
    }
    Ok(json!({"tasks": tasks, "failures": failures}))
}

fn stop(shared: &Arc<Shared>, request: &Value) -> Result<Value, Refused> {
    let arn = request["task"].as_str().unwrap_or_default();
    let there = {
        let state = shared.lock();
        let task = state.of_ref(arn).filter(|t| !t.lost);
        task.is_some_and(|t| t.visible(shared.options.keep_stopped).is_some())
    };
    if !there {
        let words = "The referenced task was not found.";
        return Err(("InvalidParameterException", words.to_owned()));
    }
    let reason = request["reason"].as_str().unwrap_or("Task stopped by user");
    run::end(shared, arn, ("UserInitiated", reason));
    let state = shared.lock();
    Ok(json!({"task": state.of_ref(arn).map(Task::describe)}))
}

/// `CloudWatch` Logs, as much of it as is read: a few lines a page, so that readers have to turn it.
fn log(shared: &Shared, request: &Value) -> Result<Value, Refused> {
    const LINES: usize = 3;
    let none = || {
        let words = "The specified log stream does not exist.";
        ("ResourceNotFoundException", words.to_owned())
    };
    let stream = request["logStreamName"].as_str().unwrap_or_default();
    let state = shared.lock();
    let task = state.of_ref(id_of(stream)).ok_or_else(none)?;
    let text = std::fs::read_to_string(&task.log).map_err(|_| none())?;
    let from: usize = request["nextToken"]
        .as_str()
        .and_then(|t| t.parse().ok())
        .unwrap_or(0);
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines: Vec<&str> = whole.lines().skip(from).take(LINES).collect();
    let at = Timestamp::now().as_millisecond();
    let events: Vec<Value> = lines
        .iter()
        .map(|l| json!({"timestamp": at, "message": l, "ingestionTime": at}))
        .collect();
    let next = from + lines.len();
    Ok(
        json!({"events": events, "nextForwardToken": next.to_string(), "nextBackwardToken": from.to_string()}),
    )
}
