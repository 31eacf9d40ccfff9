//! What a server would hold open ends here, and says when and where to go on.

use reqwest::Method;
use sandbox_tests::lambda::{Account, Plan};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_events_ends_with_when_to_come_again_and_another_instance_goes_on_where_it_ended()
 {
    let account = Account::with(Plan {
        silent: true,
        ..Plan::default()
    });
    let account = account.await;
    let id = account
        .submit(&json!({"type": "echo", "echo": {"message": "hello"}}))
        .await;
    let path = format!("/jobs/{id}/events");
    let first = account.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(first.headers()["content-type"], "text/event-stream");
    let first = first.text().await.unwrap();
    assert!(first.starts_with("retry: 3000\n"), "{first}");
    assert!(first.contains("event: Submitted"), "{first}");
    let last = first.lines().rev().find_map(|l| l.strip_prefix("id: "));
    let last = last.unwrap().to_owned();
    account.cold().await;
    let again = async || {
        let asked = account
            .request(Method::GET, &path)
            .header("last-event-id", &last);
        asked.send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(again().await, format!("retry: 3000\nid: {last}\n\n"));
    let cancelled = account
        .request(Method::POST, &format!("/jobs/{id}/cancel"))
        .send()
        .await;
    assert_eq!(cancelled.unwrap().status(), 200);
    account.cold().await;
    let rest = again().await;
    assert!(
        rest.contains("event: CancelRequested") && !rest.contains("Submitted"),
        "{rest}"
    );
}
