//! Jobs of a cluster that are done by tasks of Fargate: by the real kubectl, the real operator and the real runner, on a
//! real API server. In the place of ECS is the double, which runs each task as a process beside the test.

use std::time::Duration;

use sandbox_tests::{
    ecs::{CLUSTER, DEFINITION, Ecs, LOG_GROUP, Options, REGION, Stop},
    node::{PATIENCE, built},
    operator::{LEASE, Operator, Service},
    s3::{BUCKET, S3Server},
};
use serde_json::{Value, json};

use super::world::World;

/// A namespace of its own, looked after by operators of its own, and a cluster of ECS.
pub(super) struct Stage {
    pub(super) world: World,
    ecs: Ecs,
    service: Service,
    bucket: Option<S3Server>,
    /// What operators find in their environment besides.
    pub(super) env: Vec<(&'static str, String)>,
}

impl Stage {
    pub(super) async fn named(name: &str) -> Self {
        let world = World::named(name).await;
        world.lease(LEASE);
        Self {
            world,
            ecs: Ecs::start(Options::of(built("sandbox"))).await,
            service: Service::start().await,
            bucket: None,
            env: Vec::new(),
        }
    }

    /// An operator that looks after this namespace alone and has this said of Fargate.
    pub(super) fn operator(&self, fargate: &[&str]) -> Operator {
        let namespace = &self.world.namespace;
        let mut args = vec![
            format!("--namespace={namespace}"),
            format!("--watch-namespaces={namespace}"),
            "--identity=one".to_owned(),
            "--lease-duration=3s".to_owned(),
            "--renew-deadline=2s".to_owned(),
            "--retry-period=300ms".to_owned(),
        ];
        if !fargate.iter().any(|a| a.starts_with("--api-keys-file")) {
            args.push("--auth=false".to_owned());
        }
        args.extend(fargate.iter().map(|a| (*a).to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut env = vec![
            ("AWS_ENDPOINT_URL", self.ecs.endpoint()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ];
        if let Some(bucket) = &self.bucket {
            env.push(("AWS_ENDPOINT_URL_S3", bucket.endpoint()));
            env.push(("AWS_ALLOW_HTTP", "true".to_owned()));
        }
        env.extend(self.env.iter().cloned());
        Operator::behind_with(
            &self.service,
            &self.world.kubeconfig(),
            (&args[..], &env[..]),
        )
    }

    fn usual(&self) -> Operator {
        self.operator(&settings())
    }

    pub(super) fn apply(&self, name: &str, spec: &Value) {
        let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": name}, "spec": spec});
        self.world.apply(&job);
    }

    /// The job's status once it is over.
    pub(super) fn ended(&self, name: &str, operator: &Operator) -> Value {
        let patience = format!("--timeout={}s", PATIENCE.as_secs());
        let words = [
            "wait",
            "aj",
            name,
            "--for=condition=Finished",
            patience.as_str(),
        ];
        let waited = self.world.kubectl(&words, &Value::Null);
        assert!(
            waited.status.success(),
            "{waited:?}\n{:#}\n{}",
            self.status(name),
            operator.log()
        );
        self.status(name)
    }

    fn status(&self, name: &str) -> Value {
        self.world.object(&["aj", name])["status"].take()
    }

    /// Waits until the job's runner is at work; gives its task.
    async fn at_work(&self, name: &str) -> String {
        let from = std::time::Instant::now();
        loop {
            let instance = self.status(name)["seat"]["claimed"]["instance"].take();
            if let Some(arn) = instance.as_str().and_then(|i| i.strip_prefix("task:")) {
                return arn.to_owned();
            }
            assert!(
                from.elapsed() < PATIENCE,
                "never at work: {:#}",
                self.status(name)
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

pub(super) fn settings() -> [&'static str; 6] {
    let cluster = lasting("--fargate-cluster=", CLUSTER);
    let definition = lasting("--fargate-task-definition=", DEFINITION);
    let group = lasting("--fargate-log-group=", LOG_GROUP);
    [
        cluster,
        definition,
        group,
        "--fargate-subnets=subnet-1",
        "--fargate-cpu=0.25",
        "--fargate-memory=512Mi",
    ]
}

/// A flag that lives as long as the test.
pub(super) fn lasting(flag: &str, value: &str) -> &'static str {
    format!("{flag}{value}").leak()
}

pub(super) fn echo(delay: &str, fargate: &Value) -> Value {
    json!({
        "type": "echo", "echo": {"message": "hello", "delay": delay},
        "backend": {"name": "fargate", "fargate": fargate}, "retry": {"on": {"Preempted": {"base": "1s"}}},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_applied_is_done_by_one_task_and_its_seconds_cost_something() {
    let stage = Stage::named("fargate-applied").await;
    let operator = stage.usual();
    stage.apply("hello", &echo("0s", &json!({})));
    let status = stage.ended("hello", &operator);
    assert_eq!(
        status["outcome"],
        "Succeeded",
        "{status:#}\n{}",
        operator.log()
    );
    assert_eq!(status["result"]["inline"]["echoed_message"], "hello");
    assert_eq!(status["backendRef"]["kind"], "fargate");
    // A minute of a quarter of a processor and half a GiB, at least.
    let paid: f64 = status["usage"]["usd"].as_str().unwrap().parse().unwrap();
    assert!((0.0002..0.01).contains(&paid), "{status:#}");
    assert_eq!(stage.ecs.begun().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_task_left_is_kept_in_the_bucket_and_given_until_the_job_is_removed() {
    let mut stage = Stage::named("fargate-files").await;
    stage.bucket = Some(S3Server::start().await.unwrap());
    let listed = async || stage.bucket.as_ref().unwrap().list().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, json!({"key": stage.world.namespace}).to_string()).unwrap();
    let more = [
        lasting("--objects=s3://", &format!("{BUCKET}/kept")),
        lasting("--api-keys-file=", keys.to_str().unwrap()),
    ];
    let operator = stage.operator(&[&settings()[..], &more[..]].concat());
    stage.apply("files", &echo("0s", &json!({})));
    let status = stage.ended("files", &operator);
    assert_eq!(status["outcome"], "Succeeded", "{status:#}");
    let uid = stage.world.object(&["aj", "files"])["metadata"]["uid"].take();
    let url = format!("{}/jobs/{}/artifacts", operator.api, uid.as_str().unwrap());
    let given = async |path: &str| {
        let asked = reqwest::Client::new().get(format!("{url}{path}"));
        let answer = asked.header("x-api-key", "key").send().await.unwrap();
        answer.text().await.unwrap()
    };
    let names: Value = serde_json::from_str(&given("").await).unwrap();
    assert_eq!(names["artifacts"][0]["path"], "echo.log", "{names}");
    let text = given("/echo.log").await;
    assert!(text.ends_with(" began\n"), "{text}");
    assert!(
        listed().await.contains("kept/reports/"),
        "{}",
        listed().await
    );
    stage
        .world
        .kubectl(&["delete", "aj", "files"], &Value::Null);
    operator
        .until("keeps the files of a job that is gone", async |_| {
            !listed().await.contains("kept/reports/")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_whose_bucket_is_not_there_says_what_it_asked_and_what_it_needs() {
    let mut stage = Stage::named("fargate-no-bucket").await;
    stage.bucket = Some(S3Server::start().await.unwrap());
    let operator = stage.operator(&[&settings()[..], &["--objects=s3://not-there"]].concat());
    operator
        .until("never says it", async |me| {
            me.log().contains("s3:ListBucket")
        })
        .await;
    assert!(
        operator
            .log()
            .contains("asked what is in the bucket not-there"),
        "{}",
        operator.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spot_that_is_taken_back_costs_an_attempt_and_the_next_one_does_the_work() {
    let stage = Stage::named("fargate-spot").await;
    let operator = stage.usual();
    stage.apply("spot", &echo("3s", &json!({"capacity": "spot"})));
    let first = stage.at_work("spot").await;
    stage.ecs.stops(&first, Stop::Spot);
    let status = stage.ended("spot", &operator);
    assert_eq!(
        status["outcome"],
        "Succeeded",
        "{status:#}\n{}",
        operator.log()
    );
    assert_eq!(
        (&status["attempt"], &status["failures"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(stage.ecs.begun().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_spot_a_job_with_a_fallback_runs_on_demand_in_its_first_attempt() {
    let stage = Stage::named("fargate-fallback").await;
    stage.ecs.has_capacity("FARGATE_SPOT", false);
    let operator = stage.usual();
    stage.apply(
        "either",
        &echo("0s", &json!({"capacity": "spot-with-fallback"})),
    );
    let status = stage.ended("either", &operator);
    assert_eq!(
        status["outcome"],
        "Succeeded",
        "{status:#}\n{}",
        operator.log()
    );
    assert_eq!(
        (&status["attempt"], &status["failures"]),
        (&json!(1), &json!(0))
    );
    let asked = stage.ecs.launches();
    let last = &asked.last().unwrap()["capacityProviderStrategy"][0];
    assert_eq!(last["capacityProvider"], "FARGATE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_is_killed_and_started_again_finds_the_task_as_it_is() {
    let stage = Stage::named("fargate-killed").await;
    let first = stage.usual();
    stage.apply("long", &echo("3s", &json!({})));
    stage.at_work("long").await;
    first.signal(rustix::process::Signal::KILL);
    drop(first);
    let second = stage.usual();
    let status = stage.ended("long", &second);
    assert_eq!(
        status["outcome"],
        "Succeeded",
        "{status:#}\n{}",
        second.log()
    );
    assert_eq!(
        (&status["attempt"], stage.ecs.begun().len()),
        (&json!(1), 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_cancelled_has_its_task_ended() {
    let stage = Stage::named("fargate-cancelled").await;
    let operator = stage.usual();
    stage.apply("long", &echo("10m", &json!({})));
    let arn = stage.at_work("long").await;
    let patch = json!({"spec": {"cancel": true}}).to_string();
    stage
        .world
        .said(&["patch", "aj", "long", "--type=merge", "-p", &patch]);
    let status = stage.ended("long", &operator);
    assert_eq!(
        status["outcome"],
        "Cancelled",
        "{status:#}\n{}",
        operator.log()
    );
    stage.ecs.until(&arn, "STOPPED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_without_a_cluster_of_ecs_says_so() {
    let stage = Stage::named("fargate-unset").await;
    let operator = stage.operator(&[]);
    stage.apply("nowhere", &echo("0s", &json!({})));
    let status = stage.ended("nowhere", &operator);
    assert_eq!(status["failure"]["class"], "InvalidSpec", "{status:#}");
    let words = status["failure"]["message"].as_str().unwrap();
    assert!(words.contains("--fargate-cluster"), "{words}");
    assert_eq!(stage.ecs.begun().len(), 0);
}
