//! What a job costs the API server: counted by a client that sees every request.

use std::collections::BTreeMap;

use sandbox_core::{
    query::ListQuery,
    reconcile::{Ports, Round, reconcile},
};
use sandbox_tests::{
    cluster::{
        bed::{Bed, Objectively},
        shared::shared,
        spy::Spy,
    },
    flow::{
        drive::{limits, play_in},
        story,
        world::Ledger,
    },
};
use std::sync::Arc;

fn counted(asked: Vec<String>) -> Vec<(String, u32)> {
    let mut counts = BTreeMap::new();
    for what in asked {
        *counts.entry(what).or_default() += 1;
    }
    counts.into_iter().collect()
}

fn counts(wanted: &[(&str, u32)]) -> Vec<(String, u32)> {
    wanted.iter().map(|(w, n)| ((*w).to_owned(), *n)).collect()
}

#[tokio::test]
async fn a_short_job_takes_three_writes_of_its_status_and_a_finished_one_none() {
    let bed = Bed::new(&shared().await).await;
    let spy = Spy::default();
    let client = spy.client(bed.cluster().config().await.unwrap());
    let story = story::succeeds();
    let onlooker = bed.cluster().client().await.unwrap();
    let world = Objectively::world(&story, client, onlooker).await;
    assert_eq!(counted(spy.take()), counts(&[("GET stream", 1)]));
    let (jobs, seats) = (world.store(), world.seats());
    let run = play_in(&story, Vec::new(), world).await;
    assert_eq!(run.ends, story.ends);
    // Made; the key looked up, for somebody chose the name; intent, claim, and the report with the end; the finalizer taken off.
    let wanted = [
        ("GET all", 1),
        ("PATCH object", 1),
        ("POST all", 1),
        ("PUT status", 3),
    ];
    assert_eq!(counted(spy.take()), counts(&wanted));

    let ports = Ports {
        store: Arc::clone(&jobs),
        seats,
        backends: Arc::default(),
        memory: Arc::new(Ledger::default()),
    };
    let limits = limits(&story);
    let round = Round {
        clock: &jiff::Timestamp::now,
        limits: &limits,
    };
    let all = jobs.list(&ListQuery::default()).await.unwrap();
    for job in &all.jobs {
        reconcile(&ports, &job.uid().unwrap(), &round)
            .await
            .unwrap();
    }
    assert_eq!(all.jobs.len(), 1);
    assert_eq!(spy.take(), Vec::<String>::new());
}
