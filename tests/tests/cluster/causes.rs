//! Each row of the table of causes, made to happen.

use std::time::{Duration, Instant};

use kube::api::EvictParams;
use sandbox_core::{
    FailureClass, Seat, Sighting,
    port::{Backend, Look, PortError},
};
use sandbox_operator::{
    backend::pod::{Cause, PodBackend},
    control::Waker,
};
use sandbox_tests::contract::{
    backend::Place,
    pod::{Pods, WORK},
};
use serde_json::json;

/// The longest that a log may take to be there.
const PATIENCE: Duration = Duration::from_mins(2);

/// How the seat's pod ended, once it has: code, signal, class and words.
async fn end(pods: &Pods, seat: &Seat) -> (Option<i32>, Option<i32>, Option<FailureClass>, String) {
    let over = |look: &Look| matches!(look.sightings[..], [Sighting::Exited { .. }]);
    let look = pods.seen(seat, "over", over).await;
    let [
        Sighting::Exited {
            code, signal, why, ..
        },
    ] = &look.sightings[..]
    else {
        panic!("{look:?}");
    };
    let words = why.as_ref().map(|f| f.message.clone()).unwrap_or_default();
    (*code, *signal, why.as_ref().map(|f| f.class), words)
}

/// What the seat is said to wait for, once it is this.
async fn waits(pods: &Pods, seat: &Seat, cause: Cause, words: &str) {
    let says = |look: &Look| {
        let text = look.preparing.as_deref().unwrap_or_default();
        text.starts_with(cause.what()) && text.contains(words)
    };
    pods.seen(seat, cause.what(), says).await;
}

fn is(
    cause: Cause,
    (_, _, class, words): (Option<i32>, Option<i32>, Option<FailureClass>, String),
) {
    assert_eq!(class, Some(cause.class()), "{words}");
    assert!(words.starts_with(cause.what()), "{words}");
    assert!(words.ends_with(cause.remedy()), "{words}");
}

#[tokio::test]
async fn a_code_is_told_as_it_is() {
    let pods = Pods::new("say up; exit 75").await;
    let brief = pods.launch(&json!({})).await;
    let (code, signal, class, _) = end(&pods, &brief.seat).await;
    assert_eq!((code, signal, class), (Some(75), None, None));
}

#[tokio::test]
async fn out_of_memory_is_the_works_own_fault() {
    // The shell holds a text that grows: the group's memory, and nobody else's.
    let pods = Pods::new("say up; a=x; while :; do a=$a$a$a; done").await;
    let limits = json!({"resources": {"limits": {"memory": "32Mi"}}});
    let brief = pods.launch(&limits).await;
    is(Cause::OutOfMemory, end(&pods, &brief.seat).await);
}

#[tokio::test]
async fn an_eviction_is_no_fault_of_the_work() {
    let pods = Pods::new(WORK).await;
    let brief = pods.launch(&json!({})).await;
    pods.up(&brief.seat).await;
    let look = pods.backend.look(&brief.seat, None).await.unwrap();
    let [Sighting::Alive { instance }] = &look.sightings[..] else {
        panic!("{look:?}");
    };
    let claim = sandbox_core::Claim {
        nonce: "n".to_owned(),
        instance: instance.clone(),
        at: jiff::Timestamp::now(),
    };
    let name = brief.seat.object_name();
    pods.pods()
        .evict(&name, &EvictParams::default())
        .await
        .unwrap();
    pods.over(instance).await;
    // The pod may be gone by now: what was seen of it last says how it ended.
    let look = pods.backend.look(&brief.seat, Some(&claim)).await.unwrap();
    let [Sighting::Exited { why: Some(why), .. }] = &look.sightings[..] else {
        panic!("{look:?}");
    };
    assert_eq!(why.class, Cause::Drained.class());
    assert!(why.message.starts_with(Cause::Drained.what()), "{why:?}");
}

#[tokio::test]
async fn a_pod_of_higher_priority_takes_the_place() {
    let pods = Pods::new(WORK).await;
    let class = |value: i32| {
        let name = format!("{}-{value}", pods.namespace);
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value,
        });
        pods.whole.apply(&class).unwrap();
        name
    };
    let (low, high) = (class(-10), class(10));
    let node = [
        "get",
        "node",
        "node1",
        "-o",
        "jsonpath={.status.allocatable.cpu}",
    ];
    let cores: u32 = pods.whole.kubectl(&node).unwrap().trim().parse().unwrap();
    // Together they do not fit, whatever else is there.
    let most = format!("{}m", cores * 1000 * 6 / 10);
    let asks =
        |class: &str| json!({"priorityClassName": class, "resources": {"requests": {"cpu": most}}});
    let first = pods.launch(&asks(&low)).await;
    pods.up(&first.seat).await;
    let instance =
        sandbox_tests::contract::backend::the_one_alive(&*pods.backend, &first.seat).await;
    let second = pods.launch(&asks(&high)).await;
    pods.up(&second.seat).await;
    let claim = sandbox_core::Claim {
        nonce: "n".to_owned(),
        instance,
        at: jiff::Timestamp::now(),
    };
    let look = pods.backend.look(&first.seat, Some(&claim)).await.unwrap();
    let [Sighting::Exited { why: Some(why), .. }] = &look.sightings[..] else {
        panic!("{look:?}");
    };
    assert_eq!(why.class, FailureClass::Preempted);
    assert!(why.message.starts_with(Cause::Displaced.what()), "{why:?}");
    for name in [low, high] {
        pods.whole
            .kubectl(&["delete", "priorityclass", &name])
            .unwrap();
    }
}

/// Without patience for what is missing.
async fn impatient() -> Pods {
    Pods::with(WORK, |config| config.prepare_within = Duration::ZERO).await
}

#[tokio::test]
async fn an_image_that_is_not_there_is_waited_for_and_then_refused() {
    let image = json!({"image": "nowhere.invalid/none:1"});
    let pods = Pods::new(WORK).await;
    let brief = pods.launch(&image).await;
    waits(&pods, &brief.seat, Cause::NoRegistry, "nowhere.invalid").await;
    let pods = impatient().await;
    let brief = pods.launch(&image).await;
    let over = |look: &Look| match &look.sightings[..] {
        [Sighting::Exited { why: Some(why), .. }] => why.message.contains("nowhere.invalid"),
        _ => false,
    };
    pods.seen(&brief.seat, "refused", over).await;
}

#[tokio::test]
async fn an_image_that_may_not_be_pulled_is_told_with_its_remedy() {
    let pods = Pods::with(WORK, |c| c.pull_policy = Some("Never".to_owned())).await;
    let brief = pods
        .launch(&json!({"image": "nowhere.invalid/none:1"}))
        .await;
    waits(&pods, &brief.seat, Cause::NoImage, "imagePullSecrets").await;
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named_and_begins_the_pod_when_it_comes() {
    let pods = Pods::new(WORK).await;
    let from = json!({"secretKeyRef": {"name": "not-yet", "key": "k"}});
    let brief = pods
        .launch(&json!({"env": [{"name": "KEY", "valueFrom": from}]}))
        .await;
    waits(&pods, &brief.seat, Cause::NoConfig, "not-yet").await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "not-yet", "namespace": pods.namespace}, "stringData": {"k": "v"},
    });
    pods.whole.apply(&secret).unwrap();
    pods.up(&brief.seat).await;
}

#[tokio::test]
async fn an_image_without_a_runner_is_refused() {
    let pods = Pods::new(WORK).await;
    let brief = pods
        .launch(&json!({"image": "sandbox.test/nothing:1"}))
        .await;
    is(Cause::NoRunner, end(&pods, &brief.seat).await);
}

#[tokio::test]
async fn a_volume_that_does_not_come_is_given_up_with_its_remedy() {
    let some = Duration::from_secs(25);
    let pods = Pods::with(WORK, |config| config.prepare_within = some).await;
    let bundle = json!({"caBundle": {"configMapName": "not-there"}});
    let brief = pods.launch(&bundle).await;
    is(Cause::NoVolume, end(&pods, &brief.seat).await);
}

#[tokio::test]
async fn an_operator_that_may_not_make_pods_says_what_to_install() {
    let pods = Pods::new(WORK).await;
    let brief = pods.brief().await;
    let mut config = pods.whole.plane().config().await.unwrap();
    config.auth_info.impersonate = Some("nobody-in-particular".to_owned());
    let client = kube::Client::try_from(config).unwrap();
    let powerless = PodBackend::new(client, pods.config.clone(), Waker::new().0);
    match powerless.launch(&brief).await {
        Err(PortError::Refused(why)) => {
            assert!(why.message.contains(Cause::NotAllowed.what()), "{why:?}");
            assert!(why.message.ends_with(Cause::NotAllowed.remedy()), "{why:?}");
        }
        other => panic!("expected a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_pod_that_fits_no_node_waits_with_the_schedulers_words() {
    let pods = impatient().await;
    let brief = pods.launch(&json!({"nodeSelector": {"moon": "yes"}})).await;
    waits(
        &pods,
        &brief.seat,
        Cause::Unschedulable,
        "didn't match Pod's node affinity/selector",
    )
    .await;
    // It is begun as soon as there is a node.
    pods.whole
        .kubectl(&["label", "node", "node1", "moon=yes"])
        .unwrap();
    pods.up(&brief.seat).await;
    pods.whole
        .kubectl(&["label", "node", "node1", "moon-"])
        .unwrap();
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_waited_for_and_told() {
    let pods = Pods::new(WORK).await;
    let quota = |pods_allowed: &str| {
        json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "q", "namespace": pods.namespace},
            "spec": {"hard": {"pods": pods_allowed}},
        })
    };
    pods.whole.apply(&quota("0")).unwrap();
    let counted = [
        "wait",
        "--for=jsonpath={.status.hard.pods}=0",
        "resourcequota/q",
        "-n",
        &pods.namespace,
    ];
    pods.whole.kubectl(&counted).unwrap();
    let brief = pods.brief().await;
    let answer = pods.backend.launch(&brief).await;
    assert!(matches!(answer, Err(PortError::Unknown(_))), "{answer:?}");
    waits(&pods, &brief.seat, Cause::OverQuota, "exceeded quota").await;
    pods.whole.apply(&quota("5")).unwrap();
    let counted = [
        "wait",
        "--for=jsonpath={.status.hard.pods}=5",
        "resourcequota/q",
        "-n",
        &pods.namespace,
    ];
    pods.whole.kubectl(&counted).unwrap();
    pods.backend.launch(&brief).await.unwrap();
    pods.up(&brief.seat).await;
}

#[tokio::test]
async fn a_quota_that_stays_used_up_is_refused_in_the_end() {
    let pods = impatient().await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": pods.namespace}, "spec": {"hard": {"pods": "0"}},
    });
    pods.whole.apply(&quota).unwrap();
    let counted = [
        "wait",
        "--for=jsonpath={.status.hard.pods}=0",
        "resourcequota/q",
        "-n",
        &pods.namespace,
    ];
    pods.whole.kubectl(&counted).unwrap();
    refused(&pods, Cause::OverQuota).await;
}

async fn refused(pods: &Pods, cause: Cause) {
    let brief = pods.brief().await;
    match pods.backend.launch(&brief).await {
        Err(PortError::Refused(why)) => {
            assert_eq!(why.class, cause.class(), "{why:?}");
            assert!(why.message.contains(cause.what()), "{why:?}");
        }
        other => panic!("expected a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_policy_that_refuses_the_pod_is_told_in_its_own_words() {
    let pods = Pods::new(WORK).await;
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange",
        "metadata": {"name": "small", "namespace": pods.namespace},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]},
    });
    pods.whole.apply(&range).unwrap();
    refused(&pods, Cause::Denied).await;
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_takes_no_pod() {
    let pods = Pods::new(WORK).await;
    let brief = pods.brief().await;
    // Something that stays keeps the namespace from being gone at once.
    let name = brief.name.as_str();
    let hold = json!({"metadata": {"finalizers": ["example.org/hold"]}}).to_string();
    let words = [
        "patch",
        "aj",
        name,
        "-n",
        &pods.namespace,
        "--type=merge",
        "-p",
    ];
    pods.whole
        .kubectl(&[&words[..], &[&hold]].concat())
        .unwrap();
    pods.whole
        .kubectl(&["delete", "namespace", &pods.namespace, "--wait=false"])
        .unwrap();
    let answer = pods.backend.launch(&brief).await;
    let Err(PortError::Refused(why)) = answer else {
        panic!("expected a refusal: {answer:?}");
    };
    assert!(why.message.contains(Cause::Terminating.what()), "{why:?}");
    let release = json!({"metadata": {"finalizers": null}}).to_string();
    pods.whole
        .kubectl(&[&words[..], &[&release]].concat())
        .unwrap();
}

#[tokio::test]
async fn a_pod_of_the_seats_name_that_is_a_strangers_is_refused_and_left_alone() {
    let pods = Pods::new(WORK).await;
    let brief = pods.brief().await;
    let stranger = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": brief.seat.object_name(), "namespace": pods.namespace},
        "spec": {"containers": [{"name": "c", "image": "sandbox.test/pause:1"}]},
    });
    pods.whole.apply(&stranger).unwrap();
    match pods.backend.launch(&brief).await {
        Err(PortError::Refused(why)) => {
            assert!(why.message.contains("kubectl delete pod"), "{why:?}");
        }
        other => panic!("expected a refusal: {other:?}"),
    }
    let look = pods.backend.look(&brief.seat, None).await.unwrap();
    assert!(look.sightings.is_empty(), "{look:?}");
    pods.backend.stop(&brief.seat, None).await.unwrap();
    pods.backend.reap(&brief.seat).await.unwrap();
    let there = pods.pods().get(&brief.seat.object_name()).await.unwrap();
    assert!(there.metadata.deletion_timestamp.is_none());
}

#[tokio::test]
async fn a_pod_that_is_deleted_by_force_is_not_taken_for_dead() {
    let pods = Pods::new(WORK).await;
    let brief = pods.launch(&json!({})).await;
    pods.up(&brief.seat).await;
    let instance =
        sandbox_tests::contract::backend::the_one_alive(&*pods.backend, &brief.seat).await;
    let claim = sandbox_core::Claim {
        nonce: "n".to_owned(),
        instance,
        at: jiff::Timestamp::now(),
    };
    let name = brief.seat.object_name();
    pods.whole
        .kubectl(&[
            "delete",
            "pod",
            &name,
            "--force",
            "--grace-period=0",
            "-n",
            &pods.namespace,
        ])
        .unwrap();
    let unknown = loop {
        let look = pods.backend.look(&brief.seat, Some(&claim)).await.unwrap();
        match &look.sightings[..] {
            [Sighting::Alive { .. }] => tokio::time::sleep(Duration::from_millis(50)).await,
            other => break other.to_vec(),
        }
    };
    assert!(
        matches!(unknown[..], [Sighting::Unknown { .. }]),
        "{unknown:?}"
    );
}

/// Waits until the log is this: the kubelet tells of a container, and what it printed, a moment after it runs.
async fn has_printed(pods: &Pods, seat: &Seat, wanted: &str) {
    let from = Instant::now();
    loop {
        match pods.backend.logs(seat, 0, 1024).await {
            Ok(all) if all.text == wanted => return,
            Ok(_) | Err(PortError::NotFound(_)) => {}
            Err(e) => panic!("{e}"),
        }
        assert!(from.elapsed() < PATIENCE, "never printed {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_log_can_be_read_from_any_place_and_after_the_pod_is_removed() {
    let pods = Pods::new("say up; say second; exec sleep 600").await;
    let brief = pods.launch(&json!({})).await;
    pods.up(&brief.seat).await;
    has_printed(&pods, &brief.seat, "up\nsecond\n").await;
    let rest = pods.backend.logs(&brief.seat, 3, 1024).await.unwrap();
    assert_eq!((rest.text.as_str(), rest.next), ("second\n", 10));
    pods.backend.reap(&brief.seat).await.unwrap();
    let kept = pods.backend.logs(&brief.seat, 3, 4).await.unwrap();
    assert_eq!((kept.text.as_str(), kept.next), ("seco", 7));
    let end = pods.backend.logs(&brief.seat, 10, 4).await.unwrap();
    assert_eq!((end.text.as_str(), end.next), ("", 10));
}

#[tokio::test]
async fn a_restart_of_ours_finds_the_same_pod_and_its_end() {
    let pods = Pods::new(WORK).await;
    let brief = pods.launch(&json!({})).await;
    pods.up(&brief.seat).await;
    let before = pods.backend.look(&brief.seat, None).await.unwrap();
    let (again, following) = pods.restarted();
    let look = again.look(&brief.seat, None).await.unwrap();
    assert_eq!(look.sightings, before.sightings);
    again.stop(&brief.seat, None).await.unwrap();
    let (_, signal, _, _) = end(&pods, &brief.seat).await;
    assert_eq!(signal, Some(15));
    following.abort();
}

#[tokio::test]
async fn what_happens_to_a_pod_has_its_job_looked_at() {
    let pods = Pods::new("say up; exit 0").await;
    let brief = pods.launch(&json!({})).await;
    let mut calls = pods.calls.lock().await;
    let called = async {
        while let Some(uid) = calls.recv().await {
            if uid == brief.seat.uid {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), called)
        .await
        .unwrap();
}
