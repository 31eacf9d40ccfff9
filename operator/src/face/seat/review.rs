//! Tokens of pods, as the API server reads them: each is bound to one pod, by name and uid, and made for
//! us alone. What was read once is believed until the token's own end.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{
    TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo,
};
use kube::{Api, Client, api::PostParams};
use sandbox_core::{
    FailureClass, Seat,
    port::{Answer, PortError},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{Pass, Passes, Whom};

/// Most tokens that are remembered.
const REMEMBERED: usize = 20_000;
/// Most questions to the API server at a time.
const AT_A_TIME: usize = 16;
/// How long a token that is not good is not asked about again.
const BAD: SignedDuration = SignedDuration::from_secs(3);
/// A token of which we cannot read the end is asked about again after this.
const UNREADABLE: SignedDuration = SignedDuration::from_mins(1);
/// Whose token it is, before the namespace and the name.
const ACCOUNT: &str = "system:serviceaccount:";
/// What a token says of its pod.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

type Hash = [u8; 32];

/// Asks the API server about tokens.
pub struct Reviews {
    api: Api<TokenReview>,
    audience: String,
    known: Mutex<HashMap<Hash, Known>>,
    turn: Semaphore,
}

#[derive(Clone)]
struct Known {
    pass: Result<Pass, String>,
    until: Timestamp,
}

impl Reviews {
    /// Reads tokens that were made for this audience.
    #[must_use]
    pub fn new(client: Client, audience: impl Into<String>) -> Self {
        Self {
            api: Api::all(client),
            audience: audience.into(),
            known: Mutex::default(),
            turn: Semaphore::new(AT_A_TIME),
        }
    }

    fn remembered(&self, hash: &Hash, now: Timestamp) -> Option<Answer<Pass>> {
        let known = self.lock().get(hash).filter(|k| now < k.until).cloned()?;
        Some(known.pass.map_err(refused))
    }

    async fn ask(&self, token: &str) -> Answer<Result<Pass, String>> {
        let failed = |e: &dyn std::fmt::Display| {
            PortError::Unknown(format!("asked the API server about a token: {e}"))
        };
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![self.audience.clone()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let asked = self.api.create(&PostParams::default(), &review).await;
        let status = asked.map_err(|e| failed(&e))?.status.unwrap_or_default();
        Ok(pass(&status, &self.audience))
    }

    fn remember(&self, hash: Hash, known: Known, now: Timestamp) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED {
            all.retain(|_, k| now < k.until);
        }
        if all.len() < REMEMBERED {
            all.insert(hash, known);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Passes for Reviews {
    async fn read(&self, token: &str) -> Answer<Pass> {
        let hash: Hash = Sha256::digest(token).into();
        if let Some(answer) = self.remembered(&hash, Timestamp::now()) {
            return answer;
        }
        let _turn = self.turn.acquire().await;
        let now = Timestamp::now();
        // Somebody else may have asked meanwhile.
        if let Some(answer) = self.remembered(&hash, now) {
            return answer;
        }
        let pass = self.ask(token).await?;
        let until = match &pass {
            Ok(_) => end_of(token).unwrap_or(now + UNREADABLE),
            Err(_) => now + BAD,
        };
        let known = Known {
            pass: pass.clone(),
            until,
        };
        self.remember(hash, known, now);
        pass.map_err(refused)
    }
}

fn refused(why: String) -> PortError {
    PortError::refused(FailureClass::Infrastructure, why)
}

/// When a token ends, as it says itself; whether it is good was asked before.
fn end_of(token: &str) -> Option<Timestamp> {
    let body = token.split('.').nth(1)?;
    let body = BASE64_URL_SAFE_NO_PAD.decode(body).ok()?;
    let claims: Value = serde_json::from_slice(&body).ok()?;
    Timestamp::from_second(claims["exp"].as_i64()?).ok()
}

/// What the API server's answer says; no word of the token is repeated.
fn pass(status: &TokenReviewStatus, audience: &str) -> Result<Pass, String> {
    let audiences = status.audiences.as_deref().unwrap_or_default();
    if status.authenticated != Some(true) || !audiences.iter().any(|a| a == audience) {
        return Err(format!(
            "the API server does not know this token for the audience {audience}"
        ));
    }
    let user = status.user.as_ref();
    let read = user.and_then(of_a_pod);
    read.ok_or_else(|| "this token is not bound to the pod of a seat".to_owned())
}

fn of_a_pod(user: &UserInfo) -> Option<Pass> {
    let account = user.username.as_deref()?.strip_prefix(ACCOUNT)?;
    let (namespace, _) = account.split_once(':')?;
    let extra = user.extra.as_ref()?;
    let one = |key: &str| match extra.get(key).map(Vec::as_slice) {
        Some([only]) => Some(only.as_str()),
        _ => None,
    };
    Some(Pass {
        tenant: namespace.parse().ok()?,
        seat: Seat::of_object_name(one(POD_NAME)?)?,
        instance: Whom::One(format!("pod:{}", one(POD_UID)?)),
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const NAME: &str = "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-1";

    fn status(username: &str, extra: &[(&str, &str)]) -> TokenReviewStatus {
        let extra = extra
            .iter()
            .map(|(k, v)| ((*k).to_owned(), vec![(*v).to_owned()]));
        TokenReviewStatus {
            authenticated: Some(true),
            audiences: Some(vec!["seat".to_owned()]),
            user: Some(UserInfo {
                username: Some(username.to_owned()),
                extra: Some(extra.collect::<BTreeMap<_, _>>()),
                ..UserInfo::default()
            }),
            ..TokenReviewStatus::default()
        }
    }

    #[test]
    fn a_token_says_whose_seat_it_is_for_and_as_which_pod() {
        let both = [(POD_NAME, NAME), (POD_UID, "u-1")];
        let pass = pass(
            &status("system:serviceaccount:team-a:default", &both),
            "seat",
        )
        .unwrap();
        assert_eq!(pass.tenant.as_str(), "team-a");
        assert_eq!(pass.seat.object_name(), NAME);
        assert!(pass.instance.is("pod:u-1"));
        assert!(!pass.instance.is("pod:u-11"));
    }

    #[test]
    fn a_token_for_somebody_else_or_of_no_pod_or_of_another_pod_is_refused() {
        let both = [(POD_NAME, NAME), (POD_UID, "u-1")];
        let good = status("system:serviceaccount:team-a:default", &both);
        assert!(pass(&good, "other").is_err());
        let denied = TokenReviewStatus {
            authenticated: Some(false),
            ..good.clone()
        };
        assert!(pass(&denied, "seat").is_err());
        for (who, extra) in [
            ("admin", &both[..]),
            ("system:serviceaccount:team-a:default", &[]),
            ("system:serviceaccount:team-a:default", &both[..1]),
            (
                "system:serviceaccount:team-a:default",
                &[(POD_NAME, "web-0"), (POD_UID, "u-1")],
            ),
        ] {
            assert!(pass(&status(who, extra), "seat").is_err(), "{who}");
        }
    }

    #[test]
    fn the_end_of_a_token_is_read_from_it() {
        let body = BASE64_URL_SAFE_NO_PAD.encode(br#"{"exp":1800000000}"#);
        let end = end_of(&format!("h.{body}.s")).unwrap();
        assert_eq!(end.as_second(), 1_800_000_000);
        for odd in ["", "a", "a.!.c", "a.e30.c"] {
            assert_eq!(end_of(odd), None, "{odd}");
        }
    }
}
