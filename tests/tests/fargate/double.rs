//! What the double of ECS promises, as a client of the real SDK meets it.

use std::time::Duration;

use aws_sdk_ecs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::run_task::{RunTaskError, RunTaskOutput, builders::RunTaskFluentBuilder},
    types::{
        AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride, NetworkConfiguration,
        Task, TaskOverride, TaskStopCode,
    },
};
use sandbox_tests::{
    contract::fargate::aws,
    ecs::{CLUSTER, DEFINITION, Ecs, Fault, Options, Stop},
};

async fn double() -> (Ecs, Client) {
    let ecs = Ecs::start(Options {
        stop_timeout: Duration::from_millis(200),
        ..Options::of("/bin/sh".into())
    });
    let ecs = ecs.await;
    let client = Client::new(&aws(&ecs).await);
    (ecs, client)
}

fn run(client: &Client, token: &str, script: &str) -> RunTaskFluentBuilder {
    let vpc = AwsVpcConfiguration::builder()
        .subnets("subnet-1")
        .build()
        .unwrap();
    let container = ContainerOverride::builder()
        .name("runner")
        .command("-c")
        .command(script)
        .build();
    let spot = CapacityProviderStrategyItem::builder()
        .capacity_provider("FARGATE")
        .build()
        .unwrap();
    client
        .run_task()
        .cluster(CLUSTER)
        .task_definition(DEFINITION)
        .client_token(token)
        .started_by("me")
        .capacity_provider_strategy(spot)
        .network_configuration(
            NetworkConfiguration::builder()
                .awsvpc_configuration(vpc)
                .build(),
        )
        .overrides(
            TaskOverride::builder()
                .cpu("256")
                .memory("512")
                .container_overrides(container)
                .build(),
        )
}

fn arn(said: &RunTaskOutput) -> String {
    said.tasks()[0].task_arn().unwrap().to_owned()
}

async fn seen(client: &Client, arn: &str) -> Option<Task> {
    let said = client
        .describe_tasks()
        .cluster(CLUSTER)
        .tasks(arn)
        .send()
        .await
        .unwrap();
    if let [task] = said.tasks() {
        return Some(task.clone());
    }
    assert_eq!(said.failures()[0].reason(), Some("MISSING"));
    None
}

async fn listed(client: &Client) -> usize {
    let said = client
        .list_tasks()
        .cluster(CLUSTER)
        .started_by("me")
        .send()
        .await
        .unwrap();
    said.task_arns().len()
}

#[tokio::test]
async fn the_same_token_with_the_same_words_starts_one_task_and_gives_it_each_time() {
    let (ecs, client) = double().await;
    let first = arn(&run(&client, "t", "sleep 60").send().await.unwrap());
    assert_eq!(
        arn(&run(&client, "t", "sleep 60").send().await.unwrap()),
        first
    );
    ecs.until_begun(1).await;
    let other = arn(&run(&client, "u", "sleep 60").send().await.unwrap());
    assert_ne!(other, first);
    ecs.until_begun(2).await;
}

#[tokio::test]
async fn the_same_token_with_other_words_is_a_conflict_that_names_the_task() {
    let (ecs, client) = double().await;
    let first = arn(&run(&client, "t", "sleep 60").send().await.unwrap());
    let refused = run(&client, "t", "sleep 61").send().await.unwrap_err();
    match refused.into_service_error() {
        RunTaskError::ConflictException(e) => assert_eq!(e.resource_ids(), [first]),
        other => panic!("{other:?}"),
    }
    ecs.until_begun(1).await;
}

#[tokio::test]
async fn a_new_task_is_missing_at_first_where_the_double_is_told_to_be_slow() {
    let (ecs, client) = double().await;
    ecs.tells_after(Duration::from_hours(1));
    let arn = arn(&run(&client, "t", "sleep 60").send().await.unwrap());
    ecs.until(&arn, "RUNNING").await;
    assert!(seen(&client, &arn).await.is_none());
    assert_eq!(listed(&client).await, 0);
}

#[tokio::test]
async fn no_capacity_is_an_answer_with_failures_and_its_token_is_used_up() {
    let (ecs, client) = double().await;
    ecs.has_capacity("FARGATE", false);
    let said = run(&client, "t", "sleep 60").send().await.unwrap();
    assert!(said.tasks().is_empty());
    assert!(said.failures()[0].reason().unwrap().contains("Capacity"));
    ecs.has_capacity("FARGATE", true);
    let again = run(&client, "t", "sleep 60").send().await.unwrap();
    assert!(again.tasks().is_empty(), "the same answer again");
    assert_eq!(
        run(&client, "u", "sleep 60")
            .send()
            .await
            .unwrap()
            .tasks()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_lost_answer_is_one_of_a_task_that_was_started() {
    let (ecs, client) = double().await;
    for _ in 0..3 {
        ecs.next("RunTask", Fault::AnswerLost);
    }
    let lost = run(&client, "t", "sleep 60").send().await;
    assert!(matches!(lost, Err(SdkError::ServiceError(_))), "{lost:?}");
    ecs.until_begun(1).await;
    run(&client, "t", "sleep 60").send().await.unwrap();
    assert_eq!(ecs.begun().len(), 1);
}

#[tokio::test]
async fn what_is_throttled_or_refused_is_not_done() {
    let (ecs, client) = double().await;
    for _ in 0..3 {
        ecs.next("RunTask", Fault::Throttled);
    }
    let refused = run(&client, "t", "sleep 60").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ThrottlingException"));
    ecs.next("RunTask", Fault::Refused("BlockedException", "blocked"));
    let refused = run(&client, "t", "sleep 60").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("BlockedException"));
    assert!(ecs.begun().is_empty());
}

#[tokio::test]
async fn what_the_api_does_not_take_is_refused() {
    let (_ecs, client) = double().await;
    let code = async |request: RunTaskFluentBuilder| {
        request.send().await.unwrap_err().code().map(str::to_owned)
    };
    let fine = || run(&client, "t", "true");
    assert_eq!(
        code(fine().cluster("other")).await.as_deref(),
        Some("ClusterNotFoundException")
    );
    assert_eq!(
        code(fine().task_definition("other:1")).await.as_deref(),
        Some("ClientException")
    );
    assert_eq!(
        code(fine().started_by("a b")).await.as_deref(),
        Some("InvalidParameterException")
    );
    assert_eq!(
        code(fine().overrides(TaskOverride::builder().cpu("256").memory("4096").build()))
            .await
            .as_deref(),
        Some("ClientException")
    );
    let long = ContainerOverride::builder()
        .name("runner")
        .command("x".repeat(8192))
        .build();
    assert_eq!(
        code(fine().overrides(TaskOverride::builder().container_overrides(long).build()))
            .await
            .as_deref(),
        Some("InvalidParameterException")
    );
}

#[tokio::test]
async fn a_task_that_is_stopped_is_asked_first_and_killed_when_its_time_is_over() {
    let (ecs, client) = double().await;
    let polite = arn(&run(&client, "a", "sleep 60").send().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let hears_nothing = folder.path().join("hears-nothing");
    let words = format!(
        "trap '' TERM; touch {}; while :; do sleep 0.05; done",
        hears_nothing.display()
    );
    let deaf = arn(&run(&client, "b", &words).send().await.unwrap());
    // A task runs before its first word is read.
    while !hears_nothing.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for one in [&polite, &deaf] {
        ecs.until(one, "RUNNING").await;
        client
            .stop_task()
            .cluster(CLUSTER)
            .task(one)
            .reason("enough")
            .send()
            .await
            .unwrap();
        ecs.until(one, "STOPPED").await;
    }
    let (polite, deaf) = (
        seen(&client, &polite).await.unwrap(),
        seen(&client, &deaf).await.unwrap(),
    );
    assert_eq!(polite.containers()[0].exit_code(), Some(143));
    assert_eq!(deaf.containers()[0].exit_code(), Some(137));
    assert_eq!(polite.stop_code(), Some(&TaskStopCode::UserInitiated));
    assert_eq!(polite.stopped_reason(), Some("enough"));
    assert_eq!(listed(&client).await, 0, "a list has what is to run");
    let gone = client
        .stop_task()
        .cluster(CLUSTER)
        .task("nobody")
        .send()
        .await;
    assert!(gone.unwrap_err().message().unwrap().contains("not found"));
}

#[tokio::test]
async fn an_end_says_who_brought_it_and_with_which_code() {
    let (ecs, client) = double().await;
    let alone = arn(&run(&client, "a", "exit 7").send().await.unwrap());
    ecs.until(&alone, "STOPPED").await;
    let task = seen(&client, &alone).await.unwrap();
    assert_eq!(
        task.stop_code(),
        Some(&TaskStopCode::EssentialContainerExited)
    );
    assert_eq!(task.containers()[0].exit_code(), Some(7));
    let spot = arn(&run(&client, "b", "sleep 60").send().await.unwrap());
    ecs.until(&spot, "RUNNING").await;
    ecs.stops(&spot, Stop::Spot);
    ecs.until(&spot, "STOPPED").await;
    let task = seen(&client, &spot).await.unwrap();
    assert_eq!(task.stop_code(), Some(&TaskStopCode::SpotInterruption));
    ecs.cannot_start("CannotPullContainerError: not found");
    let never = arn(&run(&client, "c", "sleep 60").send().await.unwrap());
    ecs.until(&never, "STOPPED").await;
    let task = seen(&client, &never).await.unwrap();
    assert_eq!(task.stop_code(), Some(&TaskStopCode::TaskFailedToStart));
}

#[tokio::test]
async fn every_change_is_an_event_of_a_higher_version_and_they_come_in_any_order() {
    let (ecs, client) = double().await;
    let task = arn(&run(&client, "a", "exit 0").send().await.unwrap());
    ecs.until(&task, "STOPPED").await;
    let events = ecs.events();
    let versions: Vec<i64> = events
        .iter()
        .map(|e| e["detail"]["version"].as_i64().unwrap())
        .collect();
    let mut sorted = versions.clone();
    sorted.sort_unstable();
    assert_ne!(versions, sorted);
    assert!(
        versions.is_sorted_by(|a, b| a >= b),
        "each twice, the last first: {versions:?}"
    );
    assert_eq!(events[0]["detail"]["lastStatus"], "STOPPED");
    assert_eq!(
        events.last().unwrap()["detail"]["lastStatus"],
        "PROVISIONING"
    );
}

#[tokio::test]
async fn what_is_left_behind_by_a_task_ends_with_it() {
    let (ecs, client) = double().await;
    let task = arn(&run(&client, "a", "sleep 61 & echo $!; exit 0")
        .send()
        .await
        .unwrap());
    ecs.until(&task, "STOPPED").await;
    let pid: i32 = ecs.printed(&task).trim().parse().unwrap();
    // A killed process may still wait to be collected by whoever is its parent now.
    let is_there = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    let ends = async {
        while is_there() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), ends)
        .await
        .unwrap();
}
