//! What a pod may do: nothing that the standard `restricted` forbids.

use sandbox_tests::contract::{backend::Place, pod::Pods};
use serde_json::json;

#[tokio::test]
async fn a_namespace_that_enforces_the_restricted_standard_takes_our_pods() {
    let pods = Pods::new(
        "say user $(id -u); touch /root-is-open 2>/dev/null && say open; \
         [ -e /var/run/secrets/kubernetes.io ] && say account; \
         for at in /sandbox /tmp /home/sandbox /secrets; do touch $at/x && say writes $at; done; \
         say tokens $(ls /var/run/sandbox); say up; exec sleep 600",
    )
    .await;
    let label = [
        "label",
        "namespace",
        &pods.namespace,
        "pod-security.kubernetes.io/enforce=restricted",
    ];
    pods.whole.kubectl(&label).unwrap();
    let brief = pods.launch(&json!({})).await;
    pods.up(&brief.seat).await;
    let said = std::fs::read_to_string(pods.file(&format!("said-{}-1", brief.seat.uid))).unwrap();
    let wanted = "user 10001\nwrites /sandbox\nwrites /tmp\nwrites /home/sandbox\nwrites /secrets\ntokens token\nup\n";
    assert_eq!(said, wanted);
}
