//! What was asked of each service, and what a job's part of it is.

use std::{collections::BTreeMap, fs, time::Duration};

use super::{Account, runtime::Counts};
use crate::{
    dynamodb::proxy::{Proxy, Units},
    figures::row,
};

/// How long nothing more may be asked before all is counted.
const REST: Duration = Duration::from_secs(2);
/// Clock ticks of a second in `/proc`, on every Linux.
const TICKS: f64 = 100.0;
/// What ECS is asked for.
const ECS: [&str; 4] = ["RunTask", "DescribeTasks", "ListTasks", "StopTask"];

/// What a job is billed for, by the name that it has on the page of what AWS costs.
pub const BILLED: [&str; 7] = [
    "API Gateway, requests",
    "Lambda, requests",
    "DynamoDB, write units",
    "DynamoDB, read units",
    "SQS, requests",
    "S3, requests that write",
    "S3, requests that read",
];

/// Everything that was asked for.
pub struct Asked {
    jobs: String,
    tables: (BTreeMap<String, usize>, Units),
    queries: BTreeMap<String, usize>,
    others: BTreeMap<String, usize>,
    ecs: Vec<(&'static str, usize)>,
    api: Counts,
    reconcile: Counts,
    cpu: [f64; 2],
}

impl Asked {
    /// When nothing more is asked for a while.
    pub async fn at_rest(account: &Account, (tables, others): (&Proxy, &Proxy)) -> Self {
        let sum = || tables.counts().0.values().sum::<usize>();
        let mut before = sum();
        loop {
            tokio::time::sleep(REST).await;
            let now = sum();
            if now == before {
                break;
            }
            before = now;
        }
        let ecs = ECS.map(|action| (action, account.ecs.asked(action)));
        Self {
            jobs: account.place.jobs.table.clone(),
            tables: tables.counts(),
            queries: tables.queries(),
            others: others.counts().0,
            ecs: ecs.into(),
            api: account.api().counts(),
            reconcile: account.reconcile.counts(),
            cpu: [&account.api().pids(), &account.reconcile.pids()]
                .map(|pids| pids.iter().filter_map(|pid| seconds(*pid)).sum()),
        }
    }

    /// Prints it, for each job.
    pub fn show(&self, jobs: usize) {
        let each = |n: usize| format!("{:.2}", share(n, jobs));
        for (name, counts, cpu) in [
            ("api", self.api, self.cpu[0]),
            ("reconcile", self.reconcile, self.cpu[1]),
        ] {
            let events = counts.events.max(1);
            row(
                &format!("events of `{name}` for a job"),
                &each(counts.events),
            );
            let figure = format!("{:.1} ms", counts.millis / share(events, 1));
            row("  time of one, beside all others", &figure);
            let figure = format!("{:.1} ms", 1e3 * cpu / share(events, 1));
            row("  own processor time of one", &figure);
            if counts.cut > 0 {
                row("  that were cut in the middle", &counts.cut.to_string());
                row("  that took too long", &counts.late.to_string());
            }
        }
        for (action, times) in &self.tables.0 {
            let units = self.tables.1.iter().filter(|((of, _), _)| of == action);
            let units: f64 = units.map(|(_, units)| units).sum();
            let figure = format!("{}, {:.2} units", each(*times), units / share(jobs, 1));
            row(&format!("DynamoDB {action} for a job"), &figure);
        }
        for (what, times) in &self.queries {
            row(&format!("  Query of {what}"), &each(*times));
        }
        for (table, [read, write]) in self.units() {
            let of = if table == self.jobs { "jobs" } else { "memory" };
            let figure = |units: f64| format!("{:.2}", units / share(jobs, 1));
            row(
                &format!("  write units in the table of {of}"),
                &figure(write),
            );
            row(&format!("  read units in the table of {of}"), &figure(read));
        }
        for (action, times) in &self.others {
            row(
                &format!("S3, SQS, secrets: {action} for a job"),
                &each(*times),
            );
        }
        for (action, times) in &self.ecs {
            row(&format!("ECS {action} for a job"), &each(*times));
        }
    }

    /// What one of so many jobs is billed for, in the order of [`BILLED`]. A message of the queue is sent, received and
    /// removed, each by a request of its own at worst.
    #[must_use]
    pub fn billed(&self, jobs: usize) -> [f64; 7] {
        let of = |action: &str| share(self.others.get(action).copied().unwrap_or_default(), jobs);
        let units = self.units();
        let sum = |kind: usize| units.values().map(|u| u[kind]).sum::<f64>() / share(jobs, 1);
        let (api, reconcile) = (self.api.events, self.reconcile.events);
        [
            share(api, jobs),
            share(api + reconcile, jobs),
            sum(1),
            sum(0),
            3.0 * of("SendMessage"),
            of("PUT") + of("POST"),
            of("GET") + of("HEAD"),
        ]
    }

    /// Units of each table, read and written.
    fn units(&self) -> BTreeMap<&str, [f64; 2]> {
        let mut all = BTreeMap::<&str, [f64; 2]>::new();
        for ((action, table), units) in &self.tables.1 {
            let reads = ["GetItem", "Query", "BatchGetItem", "TransactGetItems"];
            let kind = usize::from(!reads.contains(&action.as_str()));
            all.entry(table).or_default()[kind] += units;
        }
        all
    }

    /// Write units of the table of jobs.
    #[must_use]
    pub fn written(&self) -> f64 {
        let units = self.units();
        units
            .get(self.jobs.as_str())
            .map_or(0.0, |[_, written]| *written)
    }
}

fn share(n: usize, of: usize) -> f64 {
    let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    number(n) / number(of).max(1.0)
}

/// Processor time of a process, in seconds.
fn seconds(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |n: usize| fields.get(n)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}
