//! What is missing says what to do, in the function's log or to whoever may know it, and no secret is ever said.

use reqwest::Method;
use sandbox_tests::{
    dynamodb::proxy::{Fault, Proxy},
    lambda::{
        Account, KEY, Plan,
        account::{OTHER_KEY, SEATS},
    },
};
use serde_json::json;

fn silent() -> Plan {
    Plan {
        silent: true,
        ..Plan::default()
    }
}

async fn posted(account: &Account) -> (u16, String) {
    let job = json!({"job_type": "echo", "payload": {"message": "hello"}});
    let asked = account.request(Method::POST, "/jobs").json(&job);
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_not_there_is_said_with_the_command_that_makes_it() {
    let account = Account::with(silent().set("SANDBOX_STORE", "dynamodb://nowhere")).await;
    let (status, text) = posted(&account).await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("the function's log says why"), "{text}");
    let said = account.api().said("nowhere").await;
    assert!(
        said.contains("sandbox table nowhere") && said.contains("eu-central-1"),
        "{said}"
    );
    let failed = account.sweep().await.unwrap_err();
    assert!(
        failed.to_string().contains("sandbox table nowhere"),
        "{failed}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_named() {
    let first = Account::with(silent()).await;
    let table = Proxy::before(&first.place.dynamodb()).await.unwrap();
    let account = Account::with(silent().set("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint())).await;
    account.api().said("ready").await;
    let said = json!({
        "__type": "com.amazon.coral.service#AccessDeniedException",
        "Message": "User: arn:aws:sts::123456789012:assumed-role/sandbox-api is not authorized to perform: dynamodb:PutItem on resource: x",
    });
    table.next("PutItem", [Fault::Say(400, said.to_string())]);
    let (status, text) = posted(&account).await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("dynamodb:PutItem"), "{text}");
    assert_eq!(posted(&account).await.0, 200, "the right was given");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_without_a_value_is_said_and_taken_as_soon_as_it_is_there() {
    let account = Account::with(Plan {
        without_secrets: true,
        ..silent()
    });
    let account = account.await;
    assert_eq!(posted(&account).await.0, 503);
    let said = account.api().said("not ready").await;
    assert!(
        said.contains("aws secretsmanager put-secret-value"),
        "{said}"
    );
    account.put_secrets().await;
    assert_eq!(posted(&account).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_stands_in_a_log() {
    let account = Account::with(Plan::default().set("LOG_LEVEL", "debug")).await;
    let id = account
        .submit(&json!({"type": "echo", "echo": {"message": "hello"}}))
        .await;
    account.ended(&id).await;
    let token = account.ecs.launches()[0]["overrides"].to_string();
    let token = token
        .split("seat1.")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    for log in [account.api().log(), account.reconcile.log()] {
        for secret in [KEY, OTHER_KEY, SEATS, &token] {
            assert!(!log.contains(secret), "{secret} is in a log");
        }
    }
}
