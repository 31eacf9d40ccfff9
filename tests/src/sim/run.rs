//! One policy in one world, job after job.

use std::collections::VecDeque;

use super::{
    figures::Figures,
    policy::{Policy, Seen},
    world::World,
};

/// Runs the world's jobs; gives what came of it.
#[must_use]
pub fn run(world: &World, policy: &mut dyn Policy) -> Figures {
    let mut figures = Figures::default();
    let mut late: VecDeque<(u64, Seen)> = VecDeque::new();
    let mut arriving: Vec<_> = world.rules.iter().collect();
    arriving.sort_by_key(|r| (r.from, r.number));
    let mut arriving = arriving.into_iter().peekable();
    for number in 0..world.jobs() {
        if number * 2 == world.jobs() {
            figures.half(world, policy);
        }
        while let Some(rule) = arriving.next_if(|r| r.from <= number) {
            policy.stated(rule);
        }
        let job = world.job(number);
        let injected = policy.choose(&job);
        let success = world.success(&job, &injected);
        figures.job(world, &job, success, injected.len());
        if let Some(label) = world.label(&job, &injected, success) {
            let withheld = job
                .eligible
                .iter()
                .filter(|n| !injected.contains(n))
                .copied()
                .collect();
            let seen = Seen {
                domain: job.domain,
                number,
                injected,
                withheld,
                success: label,
            };
            late.push_back((number + world.shape.twist.delay(), seen));
        }
        while late.front().is_some_and(|(due, _)| *due <= number) {
            if let Some((_, seen)) = late.pop_front() {
                policy.learn(&seen);
                figures.learned(world, policy, &seen);
            }
        }
    }
    figures.end(world, policy);
    figures
}
