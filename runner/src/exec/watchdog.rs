//! What ends the work besides itself: its time, its budget, a signal to stop, a seat that is not its
//! own any more. Also its heartbeats.

use std::{pin::pin, sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass, Heartbeat, Usage};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use super::{
    checkpoint,
    lease::{LAST, Lease, Sent},
    rent::{Rent, said_now, with_rent},
    socket::{CallError, Node},
};
use crate::kind::{Done, Kind, Work};

/// How long work may take to end in good order after it was asked to.
const GRACE: Duration = Duration::from_secs(10);
/// Heartbeats are not sent more often than this.
const BEAT: Duration = Duration::from_secs(2);
/// Work that says nothing sends one this often, so that it hears when its seat is closed.
const BEAT_ANYWAY: Duration = Duration::from_secs(30);

/// Runs the work until it ends or something ends it.
pub(super) async fn guard(
    work: &Work,
    node: &Node,
    kind: &'static dyn Kind,
    beats: &mut JoinHandle<String>,
) -> Result<Done, Failure> {
    let mut running = pin!(async {
        checkpoint::fetch(work, node, kind).await;
        kind.run(work).await
    });
    let (why, is_asked) = tokio::select! {
        ended = &mut running => return ended,
        why = out_of_time(work, node) => (why, false),
        why = out_of_budget(work) => (why, false),
        why = told_to_stop() => (why, true),
        why = turned_away(beats) => (why, false),
        why = cut_off(work) => (why, false),
    };
    work.log.line(&format!("ending: {}", why.message));
    let more = if is_asked {
        checkpoint::allow(work, node, kind).await
    } else {
        Duration::ZERO
    };
    work.stopping.store(true, Ordering::Relaxed);
    // What the work still gives in its grace is not a success: the end was decided elsewhere. Its
    // result is kept beside the failure.
    match tokio::time::timeout(more + GRACE, running).await {
        Ok(Ok(done)) => Ok(Done {
            failure: Some(why),
            ..done
        }),
        Ok(Err(_)) | Err(_) => Err(why),
    }
}

/// The node is asked once more at the end: somebody may have given the work more time.
async fn out_of_time(work: &Work, node: &Node) -> Failure {
    loop {
        until(&work.over_at).await;
        let now = said_now(&work.beat.borrow(), work.rent);
        let heard = node.beat(now).await;
        let over_at = heard.ok().map(|heard| heard.over_at);
        match over_at.filter(|at| *at > Timestamp::now()) {
            Some(at) => work.over_at.send_replace(at),
            None => break,
        };
    }
    Failure::new(
        FailureClass::Deadline,
        "the job's deadline passed before its work was done",
    )
}

async fn out_of_budget(work: &Work) -> Failure {
    let (usd, tokens) = (work.brief.usd_left, work.brief.tokens_left);
    let over = |usage: &Usage| {
        usd.is_some_and(|left| usage.usd >= left)
            || tokens.is_some_and(|left| usage.tokens() >= left)
    };
    let mut beats = work.beat.subscribe();
    loop {
        let usage = with_rent(beats.borrow_and_update().usage, work.rent);
        if over(&usage) {
            let text = format!(
                "spent {} US dollars and {} tokens of this attempt's budget",
                usage.usd,
                usage.tokens()
            );
            return Failure::new(FailureClass::BudgetExceeded, text);
        }
        // A place that costs something does so without a word of the work.
        let pause = if work.rent.is_some() {
            BEAT
        } else {
            Duration::MAX
        };
        if let Ok(Err(_)) = tokio::time::timeout(pause, beats.changed()).await {
            return std::future::pending().await;
        }
    }
}

async fn told_to_stop() -> Failure {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    let name = tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    };
    Failure::new(
        FailureClass::Preempted,
        format!("the runner was told to stop by {name}"),
    )
}

/// Somebody else has the seat, or nobody may have it: what is done from now on counts for nothing.
async fn turned_away(beats: &mut JoinHandle<String>) -> Failure {
    match beats.await {
        Ok(said) => Failure::new(
            FailureClass::Preempted,
            format!("the seat is not this runner's any more: {said}"),
        ),
        Err(_) => std::future::pending().await,
    }
}

/// Nobody heard of us for the lease: another attempt may begin when it is over, so all of ours is over by
/// then.
async fn cut_off(work: &Work) -> Failure {
    let Some(lease) = &work.lease else {
        return std::future::pending().await;
    };
    lease.run_out(GRACE + LAST).await;
    let text =
        "the operator was not heard for the lease; stopped, because another attempt may begin";
    Failure::new(FailureClass::Infrastructure, text)
}

/// Waits until this time has come, however often it is put off meanwhile.
async fn until(over_at: &watch::Sender<Timestamp>) {
    let mut told = over_at.subscribe();
    loop {
        let left = told.borrow_and_update().duration_since(Timestamp::now());
        let left = Duration::try_from(left).unwrap_or_default();
        tokio::select! {
            () = tokio::time::sleep(left) => return,
            Ok(()) = told.changed() => {}
        }
    }
}

/// Sends what the work says, now and then. The answers say when its time is over. Ends when the node
/// says that the seat is another's or closed, with its words.
pub(super) async fn send_beats(
    node: Node,
    mut said: watch::Receiver<Heartbeat>,
    over_at: watch::Sender<Timestamp>,
    lease: Option<Lease>,
    rent: Option<Rent>,
) -> String {
    let anyway = lease.as_ref().map_or(BEAT_ANYWAY, Lease::every);
    loop {
        // Whoever says nothing more is still heard of.
        let _ = tokio::time::timeout(anyway.min(BEAT_ANYWAY), said.changed()).await;
        let beat = said_now(&said.borrow_and_update(), rent);
        let sent = Sent::now();
        match node.beat(beat).await {
            Ok(heard) => {
                let at = heard.over_at;
                if let Some(lease) = &lease {
                    lease.renew(sent);
                }
                over_at.send_if_modified(|known| {
                    let later = at > *known;
                    *known = at.max(*known);
                    later
                });
            }
            Err(CallError::Stale(words)) => return words,
            // A beat that is lost is followed by another; the budget is watched here as well.
            Err(CallError::Unavailable(_) | CallError::TooLarge | CallError::Refused(_)) => {}
        }
        tokio::time::sleep(BEAT).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        kind::{kind_of, tests::place},
        model::tests::server::{Reply, Server, start},
    };

    #[tokio::test]
    async fn a_call_that_crosses_the_budget_is_ended_while_it_streams() {
        let mut server = Server::start([Reply::events(&[start(1000)]).then_silence()]).await;
        let chat = json!({"type": "claude_chat", "claudeChat": {"prompt": "hello"}});
        let mut place = place(chat).with_model(&server.url);
        place.work.brief.tokens_left = Some(500);
        let kind = kind_of(place.work.brief.spec.job_type);
        let seat = place.work.brief.seat.clone();
        let nobody = Node::new("/nobody-listens-here".into(), seat, "n".to_owned());
        let mut beats = tokio::spawn(std::future::pending());
        let failure = guard(&place.work, &nobody, kind, &mut beats).await;
        assert_eq!(failure.unwrap_err().class, FailureClass::BudgetExceeded);
        server.left().await;
    }

    #[tokio::test]
    async fn work_whose_seat_was_closed_meanwhile_ends_with_its_next_heartbeat() {
        let mut server = Server::start([Reply::events(&[start(1000)]).then_silence()]).await;
        let chat = json!({"type": "claude_chat", "claudeChat": {"prompt": "hello"}});
        let place = place(chat).with_model(&server.url);
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let refuses = || async { (axum::http::StatusCode::FORBIDDEN, "the seat is closed") };
        let router = axum::Router::new().fallback(refuses);
        let face = tokio::spawn(axum::serve(listener, router).into_future());
        let node = Node::new(socket, place.work.brief.seat.clone(), "n".to_owned());
        let said = place.work.beat.subscribe();
        let over_at = place.work.over_at.clone();
        let mut beats = tokio::spawn(send_beats(node.clone(), said, over_at, None, None));
        let kind = kind_of(place.work.brief.spec.job_type);
        let failure = guard(&place.work, &node, kind, &mut beats)
            .await
            .unwrap_err();
        assert_eq!(failure.class, FailureClass::Preempted);
        assert!(
            failure.message.contains("the seat is closed"),
            "{}",
            failure.message
        );
        server.left().await;
        face.abort();
    }
}
