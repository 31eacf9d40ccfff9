//! What an attempt that is cut off keeps for the next one, and for nobody else.

use super::*;

/// Asks about checkpoints at this seat, or puts something there; gives the status and the answer.
async fn checkpoint(
    door: &Router,
    (uid, attempt, nonce): (&str, u32, &str),
    path: &str,
    put: Option<&str>,
) -> (u16, String) {
    let url = format!("/v1/seats/{uid}/{attempt}/checkpoint{path}");
    let method = if put.is_some() { "PUT" } else { "GET" };
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/json")
        .header(
            "authorization",
            format!("Bearer team-a/aj-{uid}-{attempt}/u-1"),
        )
        .header(NONCE, nonce)
        .body(Body::from(put.unwrap_or_default().to_owned()));
    let answer = door.clone().oneshot(request.unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

const MADE: &str = r#"{"form":1,"pieces":1,"bytes":3,"sha256":"ab"}"#;

/// A door at whose two jobs the first attempt is claimed, and of one the second too.
async fn claimed_door(change: impl Fn(&mut AgentJob)) -> (Router, Arc<MemoryStore>) {
    let seats: Arc<dyn Seats> = Arc::new(MemorySeats::default());
    let store = Arc::new(MemoryStore::default());
    let echo = json!({"type": "echo", "echo": {"message": "hi"}, "deadline": "720h"});
    for uid in [UID, OTHER] {
        let mut job = job(uid, &echo);
        change(&mut job);
        store.create(job, None).await.unwrap();
    }
    let claim = |nonce: &str| Claim {
        nonce: nonce.to_owned(),
        instance: "pod:u-1".to_owned(),
        at: Timestamp::now(),
    };
    for (seat, nonce) in [
        (format!("{UID}/1"), "n"),
        (format!("{UID}/2"), "n2"),
        (format!("{OTHER}/1"), "o"),
    ] {
        seats
            .claim(&seat.parse().unwrap(), claim(nonce))
            .await
            .unwrap();
    }
    (door_at(&seats, store.clone(), Checks::default()), store)
}

async fn second_attempt(store: &MemoryStore) {
    let mut job = store.load(&UID.parse().unwrap()).await.unwrap().unwrap();
    job.status.as_mut().unwrap().attempt = 2;
    let change = sandbox_core::port::Change {
        write: sandbox_core::port::Write::Put(Box::new(job)),
        holds: None,
        events: Vec::new(),
    };
    store.commit(change).await.unwrap();
}

#[tokio::test]
async fn the_next_attempt_gets_what_the_claimant_kept_and_nobody_else_does() {
    let (door, store) = claimed_door(|_| {}).await;
    let first = (UID, 1, "n");
    assert_eq!(checkpoint(&door, first, "/0", Some("abc")).await.0, 200);
    assert_eq!(checkpoint(&door, first, "", Some(MADE)).await.0, 200);
    assert_eq!(
        checkpoint(&door, first, "", None).await,
        (200, "null".to_owned())
    );
    second_attempt(&store).await;
    let second = (UID, 2, "n2");
    let (status, told) = checkpoint(&door, second, "", None).await;
    assert_eq!(
        (status, told),
        (200, format!(r#"{{"attempt":1,"manifest":{MADE}}}"#))
    );
    assert_eq!(
        checkpoint(&door, second, "/1/0", None).await,
        (200, "abc".to_owned())
    );
    assert_eq!(checkpoint(&door, second, "/1/1", None).await.0, 404);
    let stale = checkpoint(&door, first, "/1", Some("abc")).await;
    assert_eq!(
        stale.0, 409,
        "an attempt that is over adds nothing: {}",
        stale.1
    );
    for stranger in [
        (UID, 2, "n"),
        (UID, 2, "other"),
        (OTHER, 1, "n2"),
        (OTHER, 1, "n"),
    ] {
        assert_eq!(
            checkpoint(&door, stranger, "", None).await.0,
            403,
            "{stranger:?}"
        );
        assert_eq!(
            checkpoint(&door, stranger, "/1/0", None).await.0,
            403,
            "{stranger:?}"
        );
    }
    let theirs = (OTHER, 1, "o");
    assert_eq!(
        checkpoint(&door, theirs, "", None).await,
        (200, "null".to_owned())
    );
    assert_eq!(checkpoint(&door, theirs, "/1/0", None).await.0, 404);
}

#[tokio::test]
async fn what_was_kept_is_forgotten_when_the_work_has_come_to_its_own_end() {
    let (door, store) = claimed_door(|_| {}).await;
    let (first, second) = ((UID, 1, "n"), (UID, 2, "n2"));
    checkpoint(&door, first, "/0", Some("abc")).await;
    checkpoint(&door, first, "", Some(MADE)).await;
    second_attempt(&store).await;
    let token = format!("team-a/aj-{UID}-2/u-1");
    let report = json!({"nonce": "n2", "body": {
        "outcome": "Succeeded", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z",
    }});
    assert_eq!(checkpoint(&door, second, "/1/0", None).await.0, 200);
    let request = Request::post(format!("/v1/seats/{UID}/2/report"))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(report.to_string()));
    let told = door.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(told.status(), 200);
    let left = checkpoint(&door, first, "/1/0", None).await;
    assert_eq!(left.0, 404, "{}", left.1);
}

#[tokio::test]
async fn nothing_is_kept_of_a_job_that_is_to_end_and_of_one_that_is_suspended_it_is() {
    let stopped = |reason: &str| {
        let stop = json!({"reason": reason, "at": "2026-01-01T00:00:00Z"});
        move |job: &mut AgentJob| {
            let stop = serde_json::from_value(stop.clone()).unwrap();
            job.status.as_mut().unwrap().stop = Some(stop);
        }
    };
    for (reason, status) in [
        ("Cancel", 409),
        ("Deadline", 409),
        ("Budget", 409),
        ("Suspend", 200),
    ] {
        let (door, _) = claimed_door(stopped(reason)).await;
        let put = checkpoint(&door, (UID, 1, "n"), "/0", Some("abc")).await;
        assert_eq!(put.0, status, "{reason}: {}", put.1);
    }
    let (door, _) = claimed_door(|job| job.spec.cancel = true).await;
    let beat = json!({"nonce": "n", "body": {"at": "2020-01-01T00:00:00Z"}});
    let mine = token("team-a", UID, "u-1");
    let (_, heard) = call(&door, "heartbeat", Some(&mine), &beat).await;
    assert!(heard.contains(r#""last":true"#), "{heard}");
}

#[tokio::test]
async fn a_piece_that_is_too_large_is_not_read() {
    let (door, _) = claimed_door(|_| {}).await;
    let large = "x".repeat(crate::checkpoints::PIECE + 1);
    assert_eq!(
        checkpoint(&door, (UID, 1, "n"), "/0", Some(&large)).await.0,
        413
    );
    assert_eq!(
        checkpoint(&door, (UID, 1, "n"), "/64", Some("abc")).await.0,
        413
    );
    assert_eq!(
        checkpoint(&door, (UID, 1, "n"), "/..", Some("abc")).await.0,
        400
    );
}
