//! Ends of attempts from several clients at once, each with what it teaches: durable when it is answered.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use sandbox_core::{
    FailureClass, Outcome, Seat, Tenant, Usage,
    port::{AttemptOutcome, Memory},
};
use sandbox_elf::Elf;
use sandbox_tests::figures::{Times, ratio, row};

use super::made;

const CLIENTS: usize = 8;

/// Attempts that were given lessons, so many of each client, and then how many ends a second are taken.
pub async fn measure(elf: &Elf, ends: usize, floor: &Times) -> Result<()> {
    let given = each(elf, |elf, client| given(elf, client, ends)).await?;
    let given: Arc<Vec<Vec<Seat>>> = Arc::new(given);
    let begun = Instant::now();
    let times = each(elf, move |elf, client| {
        let given = Arc::clone(&given);
        async move { told(&elf, &given[client], client).await }
    });
    let times = times.await?;
    let took = begun.elapsed().as_secs_f64();
    let mut all = Times::default();
    all.extend(times);
    let ends = u32::try_from(CLIENTS * ends)?;
    let fsyncs = took * 1e3 / floor.within(50);
    row(
        "  outcomes with learning, SQLite, 8 clients",
        &format!("{:.0}/s; each {}", f64::from(ends) / took, all.shown()),
    );
    row(
        "  floor: 4 KB appended and synced",
        &format!(
            "{}; an outcome costs {} that",
            floor.shown(),
            ratio(fsyncs, f64::from(ends))
        ),
    );
    Ok(())
}

/// The work of each client, side by side.
async fn each<T, F>(elf: &Elf, work: impl Fn(Elf, usize) -> F) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let clients = (0..CLIENTS).map(|client| tokio::spawn(work(elf.clone(), client)));
    let mut done = Vec::with_capacity(CLIENTS);
    for client in clients.collect::<Vec<_>>() {
        done.push(client.await??);
    }
    Ok(done)
}

async fn given(elf: Elf, client: usize, ends: usize) -> Result<Vec<Seat>> {
    let mut chance = 1_000 + client as u64;
    let mut seats = Vec::with_capacity(ends);
    for _ in 0..ends {
        let domain = domain(&mut chance);
        let (seat, query) = (made::seat()?, made::query(Some(&domain), &mut chance));
        let receipt = elf.recall(&seat, &Tenant::default_tenant(), &query).await;
        receipt.context("asked memory")?;
        seats.push(seat);
    }
    Ok(seats)
}

async fn told(elf: &Elf, seats: &[Seat], client: usize) -> Result<Times> {
    let mut times = Times::default();
    let mut chance = 77 + client as u64;
    for (place, seat) in seats.iter().enumerate() {
        let end = end(place, &mut chance);
        let begun = Instant::now();
        elf.record(seat, &end).await.context("told memory")?;
        times.since(begun);
    }
    Ok(times)
}

fn domain(chance: &mut u64) -> String {
    format!("domain-{}", made::next(chance) % made::DOMAINS)
}

/// Three of four succeed, and one of ten says a lesson.
fn end(place: usize, chance: &mut u64) -> AttemptOutcome {
    let failed = place % 4 == 3;
    let lesson = format!("[LEARNED:{}] {}", domain(chance), made::words(20, chance));
    AttemptOutcome {
        tenant: Tenant::default_tenant(),
        job_type: "agent_farm".to_owned(),
        project: None,
        domain: Some(domain(chance)),
        outcome: if failed {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        },
        class: failed.then_some(FailureClass::AgentError),
        message: failed.then(|| format!("error: {}", made::words(8, chance))),
        grade: None,
        usage: Usage::default(),
        files: (0..3)
            .map(|_| format!("src/m{}/f.rs", made::next(chance) % 50))
            .collect(),
        lessons: place
            .is_multiple_of(10)
            .then_some(lesson)
            .into_iter()
            .collect(),
        at: Timestamp::now(),
    }
}
