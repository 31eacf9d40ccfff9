//! Who we are in a task of ECS: its metadata endpoint says which task this is, and since when it is paid for.

use std::time::Duration;

use jiff::Timestamp;
use sandbox_core::cause::innermost;
use serde::Deserialize;

/// How long the endpoint may take.
const CALL: Duration = Duration::from_secs(5);
/// How often it is asked: it may be there a moment later than we are.
const TRIES: u32 = 12;
/// How soon it is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a task is told of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Task {
    /// Its name among all tasks.
    #[serde(rename = "TaskARN")]
    pub(super) arn: String,
    /// Since when its image was pulled, which is since when it is paid for.
    #[serde(rename = "PullStartedAt", default)]
    pub(super) since: Option<Timestamp>,
}

/// Asks the endpoint that the agent of ECS names to each container.
///
/// # Errors
/// There is none, or it does not answer; in words.
pub(super) async fn whoami(endpoint: &str) -> Result<Task, String> {
    let url = format!("{}/task", endpoint.trim_end_matches('/'));
    let failed = |e: reqwest::Error| format!("asked {url} which task this is: {}", innermost(&e));
    let client = reqwest::Client::builder().no_proxy().timeout(CALL).build();
    let client = client.map_err(failed)?;
    let ask = async || {
        let answer = client.get(&url).send().await?.error_for_status()?;
        answer.json::<Task>().await
    };
    for _ in 1..TRIES {
        match ask().await {
            Ok(task) => return Ok(task),
            Err(e) => eprintln!("sandbox exec: {}; asking again", failed(e)),
        }
        tokio::time::sleep(AGAIN).await;
    }
    ask().await.map_err(failed)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use axum::{Json, Router, routing::get};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_task_learns_its_name_from_its_endpoint() {
        let said = json!({"Cluster": "c", "TaskARN": "arn:task/1", "PullStartedAt": "2026-01-01T00:00:00.5Z", "Containers": []});
        let routes = Router::new().route("/v4/x/task", get(|| async { Json(said) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v4/x", listener.local_addr().unwrap());
        let serving = tokio::spawn(axum::serve(listener, routes).into_future());
        let task = whoami(&endpoint).await.unwrap();
        assert_eq!(task.arn, "arn:task/1");
        assert_eq!(task.since, Some("2026-01-01T00:00:00.5Z".parse().unwrap()));
        serving.abort();
    }
}
