//! Machines outside of the cluster: which one an attempt goes to, and how long a silent one is waited for.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::{
    super::{
        Host, Hosts, Reason,
        hosts::{Wish, choose},
    },
    case::{Case, GRACE, ME, job, queued},
    read::{held, saved},
};
use crate::{
    seat::Register,
    spec::BackendName,
    status::{HostRef, StopReason},
};

const LEASE: u64 = 600;
const TICKET: u64 = 60;

fn host(name: &str, slots: u32, held: u32) -> Host {
    Host {
        is: HostRef {
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
        },
        namespace: "team-a".to_owned(),
        labels: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
        backends: [BackendName::Vps].into(),
        slots,
        held,
        unready: None,
    }
}

fn labels(region: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("region".to_owned(), region.to_owned())])
}

fn wish(labels: &BTreeMap<String, String>) -> Wish<'_> {
    Wish {
        namespace: "team-a",
        backend: BackendName::Vps,
        labels,
        slots: 1,
        avoid: None,
    }
}

fn chosen(hosts: &[Host], wish: &Wish<'_>) -> String {
    choose(hosts, wish).map_or_else(|why| why, |host| host.is.name.clone())
}

/// A job for a machine in the EU, where these are known.
fn with_hosts(hosts: Vec<Host>) -> Case {
    let mut case = Case {
        job: job(&json!({
            "type": "echo", "echo": {"message": "hi"},
            "backend": {"name": "vps", "hostSelector": {"matchLabels": {"region": "eu"}}},
        })),
        ..queued()
    };
    case.limits.hosts = Hosts {
        known: Some(hosts),
        ticket: Duration::from_secs(TICKET),
    };
    case.with_lease(LEASE)
}

#[test]
fn the_machine_with_most_room_is_chosen_and_of_two_equals_always_the_same() {
    let eu = labels("eu");
    let hosts = [host("b", 4, 1), host("a", 4, 1), host("c", 4, 3)];
    assert_eq!(chosen(&hosts, &wish(&eu)), "a");
    let turned = [hosts[1].clone(), hosts[2].clone(), hosts[0].clone()];
    assert_eq!(chosen(&turned, &wish(&eu)), "a");
}

#[test]
fn the_machine_on_which_it_failed_is_taken_only_where_there_is_no_other() {
    let eu = labels("eu");
    let hosts = [host("a", 4, 0), host("b", 4, 3)];
    let avoiding = Wish {
        avoid: Some(&hosts[0].is),
        ..wish(&eu)
    };
    assert_eq!(chosen(&hosts, &avoiding), "b");
    assert_eq!(chosen(&hosts[..1], &avoiding), "a");
}

#[test]
fn why_no_machine_will_do_is_said_with_what_there_is() {
    let (eu, us) = (labels("eu"), labels("us"));
    let mut silent = host("a", 4, 0);
    silent.unready = Some("no answer; open its port".to_owned());
    let container = Wish {
        backend: BackendName::Container,
        ..wish(&eu)
    };
    let elsewhere = Wish {
        namespace: "team-b",
        ..wish(&eu)
    };
    let ready = [host("a", 2, 2)];
    for (said, words) in [
        (
            chosen(&[], &wish(&eu)),
            "no RunnerHost with region=eu in namespace team-a",
        ),
        (chosen(&ready, &wish(&us)), "no RunnerHost with region=us"),
        (chosen(&ready, &elsewhere), "in namespace team-b"),
        (chosen(&ready, &container), "a does not offer container"),
        (chosen(&[silent], &wish(&eu)), "a: no answer; open its port"),
        (chosen(&ready, &wish(&eu)), "a has 2 of 2 slots at work"),
    ] {
        assert!(said.contains(words), "{said:?} lacks {words:?}");
    }
}

#[test]
fn a_reason_is_short_however_many_machines_there_are() {
    let hosts: Vec<Host> = (0..200)
        .map(|n| host(&format!("{n}-{}", "x".repeat(200)), 1, 1))
        .collect();
    let said = chosen(&hosts, &wish(&labels("eu")));
    assert!(
        said.len() <= 512 && said.starts_with("waiting for a host: "),
        "{said}"
    );
}

#[test]
fn the_machine_is_written_down_with_the_intent_and_a_slot_of_it_is_taken() {
    let plan = with_hosts(vec![host("a", 3, 1)]).plan();
    let placed = saved(&plan).backend_ref.unwrap().host.unwrap();
    assert_eq!((&*placed.name, &*placed.uid), ("a", "uid-of-a"));
    let held = &held(&plan).unwrap()[0];
    assert_eq!(
        (&*held.pool, held.units, held.capacity),
        ("slots/host@uid-of-a", 1, 3)
    );
}

#[test]
fn a_job_without_a_machine_waits_and_begins_when_there_is_one() {
    let case = with_hosts(vec![host("a", 1, 1)]);
    let plan = case.plan();
    assert!(
        matches!(plan.reason, Reason::WaitingForHost { .. }),
        "{plan:?}"
    );
    let mut case = case.done();
    assert!(
        case.status()
            .queued_reason
            .unwrap()
            .contains("1 of 1 slots")
    );
    assert_eq!(case.does(), "");
    case.limits.hosts.known = Some(vec![host("a", 1, 0)]);
    assert_eq!(case.does(), "save launch");
}

#[test]
fn pods_and_a_node_without_machines_are_placed_as_ever() {
    let mut pod = with_hosts(Vec::new());
    pod.job = job(&json!({"type": "echo", "echo": {}, "backend": {"name": "pod"}}));
    assert_eq!(pod.does(), "save launch");
    assert_eq!(saved(&pod.plan()).backend_ref, None);
    assert_eq!(queued().does(), "save launch");
}

/// The seat was given up while nothing can be seen of its machine.
fn given_up(case: Case) -> Case {
    let mut case = case.silent();
    let mut status = case.status();
    status.stop = Some(crate::status::StopIntent {
        reason: StopReason::Unclaimed,
        at: case.now,
        failure: None,
    });
    case.job.status = Some(status);
    // Since when it is not seen.
    case.done()
}

#[test]
fn in_doubt_whether_it_was_started_ticket_lease_and_grace_are_waited_for() {
    let case = with_hosts(vec![host("a", 1, 0)])
        .done()
        .later(100)
        .with_closed_seat();
    let case = given_up(case);
    let wait = TICKET + LEASE + GRACE;
    assert_eq!(case.clone().later(wait - 1).plan().reason, Reason::Vanished);
    assert_ne!(case.later(wait).plan().reason, Reason::Vanished);
}

#[test]
fn a_machine_that_is_silent_after_the_claim_is_waited_for_from_the_last_heartbeat() {
    let claimed = with_hosts(vec![host("a", 1, 0)])
        .done()
        .later(1)
        .alive(ME)
        .with_claim_of(ME)
        .done();
    let case = claimed.later(10).with_heartbeat("0").silent().done();
    assert!(matches!(case.seen.register, Register::Claimed(_)));
    assert_eq!(
        case.clone().later(LEASE + GRACE - 1).plan().reason,
        Reason::Vanished
    );
    assert_ne!(case.later(LEASE + GRACE).plan().reason, Reason::Vanished);
}
