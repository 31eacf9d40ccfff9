//! Tokens at the seat door, as the real API server makes and reads them.

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, api::PostParams};
use sandbox_core::port::{Backend, PortError};
use sandbox_operator::{
    backend::pod::AUDIENCE,
    face::seat::{Pass, Passes, Reviews, Whom},
};
use sandbox_tests::contract::{
    backend::{Place, the_one_alive},
    pod::{Pods, WORK},
};
use serde_json::json;

/// A token of the namespace's account, for this audience, bound to this pod.
async fn token(pods: &Pods, audience: &str, pod: Option<(&str, &str)>) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(pods.client.clone(), &pods.namespace);
    let bound = pod.map(|(name, uid)| BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
    });
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            bound_object_ref: bound,
            expiration_seconds: Some(600),
        },
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await
        .unwrap();
    made.status.unwrap().token
}

#[tokio::test]
async fn a_token_of_the_seats_own_pod_is_good_and_no_other() {
    let pods = Pods::new(WORK).await;
    let brief = pods.launch(&json!({})).await;
    pods.up(&brief.seat).await;
    let instance = the_one_alive(&*pods.backend, &brief.seat).await;
    let uid = instance.strip_prefix("pod:").unwrap();
    let name = brief.seat.object_name();
    let reviews = Reviews::new(pods.client.clone(), AUDIENCE);
    let own = token(&pods, AUDIENCE, Some((&name, uid))).await;
    let wanted = Pass {
        tenant: brief.tenant.clone(),
        seat: brief.seat.clone(),
        instance: Whom::One(instance.clone()),
    };
    assert_eq!(reviews.read(&own).await, Ok(wanted));
    let elsewhere = token(&pods, "https://kubernetes.default.svc", Some((&name, uid))).await;
    let unbound = token(&pods, AUDIENCE, None).await;
    let garbled = format!("{own}x");
    for bad in [elsewhere.as_str(), &unbound, &garbled, "a.b.c"] {
        let answer = reviews.read(bad).await;
        let Err(PortError::Refused(why)) = &answer else {
            panic!("{answer:?}");
        };
        assert!(!why.message.contains(bad), "{why:?}");
    }
    pods.backend.reap(&brief.seat).await.unwrap();
    // A token dies with its pod, a moment later; whoever read it before believes it until its own end.
    let from = std::time::Instant::now();
    while Reviews::new(pods.client.clone(), AUDIENCE)
        .read(&own)
        .await
        .is_ok()
    {
        assert!(from.elapsed() < std::time::Duration::from_mins(1));
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert!(reviews.read(&own).await.is_ok());
}
