//! Several sites on one store.

use super::{
    super::{Reason, Sites},
    case::{Case, claimed, failed, failure, launched, queued, reported},
    read::{held, saved},
};
use crate::{
    outcome::{FailureClass, Outcome},
    seat::Register,
    spec::BackendName,
    status::{BackendRef, StopReason},
};

/// The sites as `own` knows them.
fn sites(own: &str) -> Sites {
    Sites {
        own: Some(own.to_owned()),
        offers: [BackendName::Vps].into(),
        ..Sites::default()
    }
}

/// The situation as this site meets it, of a job that site `a` began.
fn met_by(own: &str, mut case: Case) -> Case {
    case.limits.sites = sites(own);
    if let Some(status) = &mut case.job.status {
        status.backend_ref = Some(BackendRef {
            site: Some("a".to_owned()),
            ..BackendRef::default()
        });
    }
    case
}

fn away(mut case: Case) -> Case {
    case.limits.sites.away.insert("a".to_owned());
    case
}

#[test]
fn whoever_begins_an_attempt_writes_its_site_down_and_takes_a_slot_of_that_site() {
    let plan = met_by("b", queued()).plan();
    let site = saved(&plan).backend_ref.unwrap().site;
    assert_eq!(site.as_deref(), Some("b"));
    assert_eq!(held(&plan).unwrap()[0].pool, "slots/vps@b");
}

#[test]
fn an_attempt_of_another_site_is_left_to_it_whatever_is_seen_here() {
    for case in [
        launched(),
        claimed(),
        claimed().unseen().later(10_000),
        reported(Outcome::Succeeded, None),
    ] {
        let plan = met_by("b", case).plan();
        assert_eq!(plan.reason, Reason::Elsewhere { site: "a".into() });
        assert!(plan.actions.is_empty());
    }
}

#[test]
fn between_attempts_a_job_is_anybodys() {
    let between = failed(failure(FailureClass::Infrastructure));
    assert!(between.job.status().intent.is_none());
    let case = met_by("b", between);
    assert_eq!(case.limits.sites.elsewhere(&case.job), None);
}

#[test]
fn a_job_is_not_begun_where_its_back_end_is_not_offered() {
    let mut case = met_by("b", queued());
    case.limits.sites.offers.clear();
    let plan = case.plan();
    assert_eq!((plan.reason, plan.actions), (Reason::NotOffered, vec![]));
}

#[test]
fn people_are_told_once_that_nothing_is_heard_of_a_site_and_once_that_it_is_back() {
    let case = away(met_by("b", claimed()));
    let told = saved(&case.plan());
    assert!(told.queued_reason.as_ref().unwrap().contains("site a"));
    assert!(told.intent.is_some());
    let mut after = case.clone();
    after.job.status = Some(told);
    assert!(after.plan().actions.is_empty());
    after.limits.sites = sites("a");
    let back = saved(&after.plan());
    assert_eq!(back.queued_reason, None);
}

#[test]
fn an_attempt_whose_site_a_person_calls_gone_is_lost_and_its_seat_is_shut() {
    let mut case = away(met_by("b", claimed())).unseen();
    case.seen.register = Register::Open;
    case.limits.sites.gone.insert("a".to_owned());
    let plan = case.plan();
    let stop = saved(&plan).stop.unwrap();
    assert_eq!(stop.reason, StopReason::Lost);
    let class = stop.failure.unwrap().class;
    assert_eq!(class, FailureClass::Infrastructure);
    case.job.status = Some(saved(&plan));
    assert_eq!(case.does(), "close");
}
