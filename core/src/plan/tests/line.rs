//! Jobs of every size wait in one line.

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::{
    super::slots::{Room, wanted},
    case::{job, queued_farm},
};
use crate::{job::AgentJob, plan::Reason};

/// A farm of so many agents.
fn farm(agents: u32) -> AgentJob {
    let farm = json!({"task": "t", "agents": agents, "workspace": {"path": "p"}});
    job(&json!({"type": "agent_farm", "agentFarm": farm}))
}

/// One machine: who waits and who runs, by their numbers, and what each wants.
struct Line {
    slots: u32,
    jobs: Vec<AgentJob>,
    waiting: Vec<usize>,
    running: Vec<usize>,
}

impl Line {
    fn room(&self, place: usize) -> Room {
        let held = self.running.iter().map(|n| self.given(*n)).sum();
        let ahead = self.waiting[..place].iter();
        Room {
            slots: self.slots,
            held,
            wanted_ahead: ahead.map(|n| wanted(&self.jobs[*n].spec)).sum(),
        }
    }

    fn given(&self, job: usize) -> u32 {
        let slots = self.slots;
        let room = Room {
            slots,
            ..Room::default()
        };
        room.given(&self.jobs[job].spec)
    }

    /// The one that waits at this place, if anybody does, looks whether it may start.
    fn look(&mut self, place: usize) {
        let Some(job) = self.waiting.get(place).copied() else {
            return;
        };
        if self.room(place).fits(self.given(job)) {
            self.waiting.remove(place);
            self.running.push(job);
            for earlier in 0..place {
                let room = self.room(earlier);
                let units = self.given(self.waiting[earlier]);
                assert!(room.fits(units), "job {job} took the room of {earlier}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_takes_the_room_of_those_before_and_everybody_gets_a_turn(
        slots in 1..6_u32,
        sizes in vec(1..9_u32, 1..12),
        looks in vec(any::<proptest::sample::Index>(), 0..40),
    ) {
        let jobs: Vec<AgentJob> = sizes.into_iter().map(farm).collect();
        let mut line = Line { slots, waiting: (0..jobs.len()).collect(), running: Vec::new(), jobs };
        for _ in 0..line.jobs.len() {
            // Those that wait look in any order; when all that run have ended, the first looks.
            for look in &looks {
                line.look(look.index(line.jobs.len()));
            }
            line.running.clear();
            line.look(0);
        }
        prop_assert!(line.waiting.is_empty(), "{:?} never started", line.waiting);
    }
}

#[test]
fn a_job_of_one_slot_does_not_overtake_a_farm_that_waits_for_three() {
    let mut small = queued_farm(1).with_held(2, 1);
    small.limits.wanted_ahead = 3;
    let plan = small.plan();
    assert_eq!(plan.reason, Reason::WaitingForSlot { position: 2 });
    let mut farm = queued_farm(3).with_held(1, 0);
    farm.limits.wanted_ahead = 0;
    assert_eq!(farm.does(), "save launch");
}

#[test]
fn a_farm_that_wants_more_than_there_is_starts_when_all_is_free() {
    let room = |held| Room {
        slots: 4,
        held,
        wanted_ahead: 0,
    };
    let units = room(0).given(&farm(50).spec);
    assert_eq!(units, 4);
    assert!(room(0).fits(units) && !room(1).fits(units));
}
