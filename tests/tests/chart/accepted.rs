//! Every object of the charts, as a real API server takes it: strictly, with nothing written.

use sandbox_tests::helm::rendered;
use serde_json::Value;

use super::plane::{list, namespace, run, shared, told};

const EVERYTHING: &[&str] = &[
    "metrics.serviceMonitor.enabled=true",
    "metrics.prometheusRule.enabled=true",
    "metrics.grafanaDashboard.enabled=true",
    "flowSchema.enabled=true",
    "priorityClass.create=true",
    "networkPolicy.egress.enabled=true",
    "networkPolicy.jobs.enabled=true",
    "watch.namespaces={team-a,team-b}",
    "api.auth.existingSecret=clients",
    "elf.url=rediss://redis:6379",
    "elf.redis.passwordSecret.name=redis",
    "elf.redis.caSecret.name=redis-ca",
    "pods.images={registry/team/*}",
    "pods.imagePullSecrets={pull}",
    "pods.env[0].name=ANTHROPIC_BASE_URL,pods.env[0].value=http://models",
    "artifacts.volume.storageClassName=shared",
    "podLabels.team=platform",
    "nodeSelector.pool=system",
    "tolerations[0].key=system,tolerations[0].operator=Exists",
    "imagePullSecrets[0].name=registry",
    "extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy:3128",
    "serviceAccount.annotations.a=b",
    "api.service.annotations.a=b",
];

const OWN_LEDGER: &[&str] = &[
    "networkPolicy.egress.enabled=true",
    "elf.ledger.storage.storageClassName=fast",
    "priorityClass.create=true",
    "podAnnotations.a=b",
    "podLabels.team=platform",
    "nodeSelector.pool=system",
    "tolerations[0].key=system,tolerations[0].operator=Exists",
    "imagePullSecrets[0].name=registry",
];

/// Says which objects are refused, each on its own.
async fn accepted(values: &[&str]) {
    let cluster = shared().await;
    for place in ["sandbox", "team-a", "team-b"] {
        // Another test has made it, perhaps.
        drop(run(&cluster, &["create", "namespace", place], &Value::Null));
    }
    let objects = rendered("sandbox", values);
    let words = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
    let said = told(run(&cluster, &words, &list(&objects)));
    assert_eq!(said.lines().count(), objects.len(), "{said}");
}

#[tokio::test]
async fn a_real_api_server_takes_every_object_of_the_chart_as_it_is() {
    accepted(&[]).await;
}

#[tokio::test]
async fn it_takes_every_object_with_all_that_can_be_asked_for() {
    accepted(EVERYTHING).await;
    accepted(OWN_LEDGER).await;
}

#[tokio::test]
async fn its_pods_are_let_in_where_pods_have_to_be_restricted() {
    let cluster = shared().await;
    namespace(&cluster, "restricted");
    let label = "pod-security.kubernetes.io/enforce=restricted";
    told(run(
        &cluster,
        &["label", "namespace", "restricted", label],
        &Value::Null,
    ));
    let all = rendered("sandbox", EVERYTHING).into_iter();
    for object in all.chain(rendered("sandbox", OWN_LEDGER)) {
        let mut pod = match object["kind"].as_str() {
            Some("Pod") => object.clone(),
            Some("Deployment" | "StatefulSet") => {
                let mut pod = object["spec"]["template"].clone();
                pod["apiVersion"] = "v1".into();
                pod["kind"] = "Pod".into();
                pod["metadata"]["name"] = "operator".into();
                pod
            }
            _ => continue,
        };
        pod["metadata"]["namespace"] = "restricted".into();
        // A class is looked up when a pod is made, and this one is not there: nothing is written here.
        pod["spec"]
            .as_object_mut()
            .unwrap()
            .remove("priorityClassName");
        told(run(
            &cluster,
            &["create", "--dry-run=server", "-f", "-"],
            &pod,
        ));
    }
}
