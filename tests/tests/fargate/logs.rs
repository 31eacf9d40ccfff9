//! What tasks print, by way of `CloudWatch` Logs, and when there is no task any more.

use sandbox_core::port::{Backend, PortError};
use sandbox_tests::contract::{
    backend::Place,
    fargate::{Fargate, WORK},
};

const SAYS: &str = "for n in 1 2 3 4 5 6 7; do echo line $n; done; say up; exec sleep 600";
const SAID: &str = "line 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nup\n";

#[tokio::test]
async fn a_log_is_read_in_pieces_over_the_pages_of_cloudwatch() {
    let place = Fargate::new(SAYS).await;
    let (brief, _) = place.launch().await;
    let (mut text, mut from) = (String::new(), 0);
    loop {
        let piece = place.backend.logs(&brief.seat, from, 10).await.unwrap();
        if piece.next == from {
            break;
        }
        text += &piece.text;
        from = piece.next;
    }
    assert_eq!(text, SAID);
    let again = place.backend.logs(&brief.seat, 7, 7).await.unwrap();
    assert_eq!((again.text.as_str(), again.next), ("line 2\n", 14));
}

#[tokio::test]
async fn a_log_is_kept_when_the_seat_is_over_and_read_by_whoever_knows_no_task() {
    let place = Fargate::new(SAYS).await;
    let (brief, _) = place.launch().await;
    place.backend.reap(&brief.seat).await.unwrap();
    let all = place.restarted().logs(&brief.seat, 0, 1000).await.unwrap();
    assert_eq!(all.text, SAID);
}

#[tokio::test]
async fn a_task_whose_log_group_nobody_named_has_no_log() {
    let place = Fargate::with(WORK, |c| c.logs = None).await;
    let (brief, _) = place.launch().await;
    place.up(&brief.seat).await;
    let answer = place.backend.logs(&brief.seat, 0, 10).await;
    assert!(matches!(answer, Err(PortError::NotFound(_))), "{answer:?}");
}
