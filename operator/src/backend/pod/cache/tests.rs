//! News that comes late, twice or not at all.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use serde_json::json;

use super::*;

const UID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

fn pod(uid: &str, version: &str) -> Found {
    let pod = json!({
        "metadata": {
            "name": format!("aj-{UID}-1"), "namespace": "team-a", "uid": uid, "resourceVersion": version,
            "ownerReferences": [{"apiVersion": "v", "kind": "AgentJob", "name": "j", "uid": UID, "controller": true}],
        },
        "spec": {"containers": []},
    });
    Found::read(&serde_json::from_value(pod).unwrap())
}

fn seat() -> Seat {
    format!("{UID}/1").parse().unwrap()
}

#[test]
fn the_newer_of_two_sights_stands_whichever_comes_last() {
    let cache = Cache::default();
    assert!(cache.put(pod("a", "7")).is_some());
    assert!(cache.put(pod("a", "5")).is_none());
    assert_eq!(cache.get(&seat()), Some(Entry::There(pod("a", "7"))));
}

#[test]
fn what_is_gone_does_not_come_back_by_late_news() {
    let cache = Cache::default();
    cache.put(pod("a", "7"));
    assert!(cache.gone(pod("a", "9")).is_some());
    assert!(cache.put(pod("a", "8")).is_none());
    assert_eq!(cache.get(&seat()), Some(Entry::Gone(pod("a", "9"))));
    assert!(cache.put(pod("b", "12")).is_some());
    // The end of the first says nothing of the second.
    assert!(cache.gone(pod("a", "9")).is_none());
    assert_eq!(cache.get(&seat()), Some(Entry::There(pod("b", "12"))));
}

#[test]
fn what_was_not_seen_in_a_look_at_everything_is_gone_unless_it_came_meanwhile() {
    let cache = Cache::default();
    cache.put(pod("a", "7"));
    let mut census = Census::begin();
    assert_eq!(cache.counted(&census, Some("team-b")), []);
    assert_eq!(cache.counted(&census, Some("team-a")), [seat()]);
    assert_eq!(cache.get(&seat()), Some(Entry::Gone(pod("a", "7"))));
    cache.put(pod("b", "12"));
    assert_eq!(cache.counted(&census, None), []);
    cache.count(&mut census, pod("b", "13"));
    assert_eq!(cache.counted(&census, None), []);
}

#[test]
fn the_end_of_what_we_removed_is_no_news() {
    let cache = Cache::default();
    cache.put(pod("a", "7"));
    cache.reaped(&seat(), pod("a", "7"));
    assert!(cache.put(pod("a", "8")).is_none());
    assert!(cache.gone(pod("a", "9")).is_none());
    assert_eq!(cache.get(&seat()), Some(Entry::Reaped(pod("a", "7"))));
}
