//! What calls `reconcile`, and what comes of each event: batches fail in parts, wakes are sent on, and the sweep finds what
//! nobody told of.

use sandbox_tests::{
    dynamodb::proxy::Proxy,
    lambda::{Account, Plan, account::Place},
};
use serde_json::{Value, json};

fn silent() -> Plan {
    Plan {
        silent: true,
        ..Plan::default()
    }
}

fn echo() -> Value {
    json!({"type": "echo", "echo": {"message": "hello"}})
}

fn changed(pk: &str, number: &str) -> Value {
    json!({
        "eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_764_504_000, "Keys": {"pk": {"S": pk}, "sk": {"S": "team-a"}},
            "SequenceNumber": number, "SizeBytes": 60, "StreamViewType": "KEYS_ONLY",
        },
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:123456789012:table/sandbox-records/stream/2026-01-01T00:00:00.000",
    })
}

/// A wake as Lambda's poller tells it.
fn wake(id: &str, body: &str) -> Value {
    json!({
        "messageId": id, "receiptHandle": "h", "body": body, "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
        "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:wakes", "awsRegion": "eu-central-1",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_poison_fails_alone() {
    let account = Account::with(silent()).await;
    let id = account.submit(&echo()).await;
    let records = [
        changed("job#broken", "101"),
        changed(&format!("job#{id}"), "102"),
    ];
    let answer = account
        .reconcile
        .invoke(&json!({"Records": records}))
        .await
        .unwrap();
    assert_eq!(
        answer,
        json!({"batchItemFailures": [{"itemIdentifier": "101"}]})
    );
    account.ecs.until_begun(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_cannot_be_read_is_laid_aside_and_the_others_go_on() {
    let account = Account::new().await;
    let table = account.place.table();
    let text = |s: &str| aws_sdk_dynamodb::types::AttributeValue::S(s.to_owned());
    let broken = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let damaged = aws_sdk_dynamodb::types::AttributeValue::B(
        aws_sdk_dynamodb::primitives::Blob::new(*b"damaged"),
    );
    let put = table.put_item().table_name(&account.place.jobs.table);
    let put = put
        .item("pk", text(&format!("job#{broken}")))
        .item("sk", text("team-a"))
        .item(
            "v",
            aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned()),
        )
        .item("y", text("somebody"))
        .item("ls", text("0000000000000001"))
        .item("b", damaged);
    put.send().await.unwrap();
    let id = account.submit(&echo()).await;
    let job = account.ended(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let aside = account.laid_aside();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(
        aside[0]["dynamodb"]["Keys"]["pk"]["S"],
        format!("job#{broken}")
    );
    assert!(
        account.reconcile.log().contains(broken),
        "{}",
        account.reconcile.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_beyond_a_quarter_of_an_hour_is_sent_on_and_one_that_is_none_fails_alone() {
    let silent_place = Account::with(silent()).await;
    let queue = Proxy::before(&silent_place.place.moto()).await.unwrap();
    let account = Account::with(silent().set("AWS_ENDPOINT_URL_SQS", &queue.endpoint())).await;
    let id = account.submit(&echo()).await;
    let at = Place::later(180).to_string();
    let body = json!({"job": id, "at": at}).to_string();
    let both = json!({"Records": [wake("m1", &body), wake("m2", "hello")]});
    let came = account.reconcile.invoke(&both).await.unwrap();
    assert_eq!(
        came,
        json!({"batchItemFailures": [{"itemIdentifier": "m2"}]})
    );
    let sent = queue.bodies("SendMessage");
    let sent: Vec<Value> = sent
        .iter()
        .map(|b| serde_json::from_str(b).unwrap())
        .collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0]["DelaySeconds"], 900);
    let again: Value = serde_json::from_str(sent[0]["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!((&again["job"], &again["at"]), (&json!(id), &json!(at)));
    assert_eq!(account.ecs.asked("RunTask"), 0, "its time has not come");
    // The same again, while that one is under way: there are not two for one time.
    account
        .reconcile
        .invoke(&json!({"Records": [wake("m3", &body)]}))
        .await
        .unwrap();
    assert_eq!(queue.bodies("SendMessage").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_of_which_the_time_has_come_has_the_job_looked_at() {
    let account = Account::with(silent()).await;
    let id = account.submit(&echo()).await;
    let body = json!({"job": id, "at": Place::later(-1).to_string()}).to_string();
    let came = account
        .reconcile
        .invoke(&json!({"Records": [wake("m1", &body)]}))
        .await;
    assert_eq!(came.unwrap(), json!({"batchItemFailures": []}));
    account.ecs.until_begun(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sweep_finds_a_job_of_which_no_event_came_and_sees_it_to_its_end() {
    let account = Account::with(silent()).await;
    let id = account.submit(&echo()).await;
    account.sweep().await.unwrap();
    account.ecs.until_begun(1).await;
    let task = account.ecs.begun()[0].clone();
    account.ecs.until(&task, "STOPPED").await;
    // What this instance was told just now it believes for a while.
    let other = account.another().await;
    account.sweep_by(&other).await.unwrap();
    let job = account.job(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    assert_eq!(account.ecs.begun().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_tasks_may_come_late_twice_and_in_any_order() {
    let account = Account::with(silent()).await;
    let id = account.submit(&echo()).await;
    let change = json!({"Records": [changed(&format!("job#{id}"), "1")]});
    account.reconcile.invoke(&change).await.unwrap();
    account.ecs.until_begun(1).await;
    let task = account.ecs.begun()[0].clone();
    account.ecs.until(&task, "STOPPED").await;
    for event in account.ecs.events() {
        account.reconcile.invoke(&event).await.unwrap();
    }
    let job = account.job(&id).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let mut other = account.ecs.events()[0].clone();
    other["detail"]["startedBy"] = json!("ecs-svc/1");
    assert_eq!(account.reconcile.invoke(&other).await.unwrap(), Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_nobody_sends_is_an_error_that_says_what_is_taken() {
    let account = Account::with(silent()).await;
    let refused = account
        .reconcile
        .invoke(&json!({"hello": "world"}))
        .await
        .unwrap_err();
    assert!(
        refused["errorMessage"]
            .as_str()
            .unwrap()
            .contains("this function takes"),
        "{refused}"
    );
    let change = json!({"Records": [changed("job#x", "1")]});
    let refused = account.api().invoke(&change).await.unwrap_err();
    assert!(
        refused["errorMessage"]
            .as_str()
            .unwrap()
            .contains("SANDBOX_FARGATE_CLUSTER"),
        "{refused}"
    );
}
