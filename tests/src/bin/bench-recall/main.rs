//! Measures how long memory takes to answer and to learn, beside what cannot be undercut on this
//! machine. Prints figures and judges none; it stops where an answer is wrong.
//!
//! usage: bench-recall [RULES…]     default 10000 100000 1000000
//!
//! Each size is measured in a process of its own, for what it holds is a figure too.

mod floors;
mod made;
mod outcomes;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use sandbox_core::{
    Tenant,
    port::{Memory, RecallQuery},
};
use sandbox_elf::{Elf, prompt};
use sandbox_tests::figures::{Times, fsync, ratio, row, rss};

/// Measures how long memory takes to answer and to learn
#[derive(Parser)]
struct Args {
    /// How many rules
    #[arg(default_values_t = [10_000, 100_000, 1_000_000])]
    rules: Vec<u64>,
    /// Asks each thing only some times, to see that it works
    #[arg(long)]
    few: bool,
    /// Writes these rules into this file and ends
    #[arg(long, hide = true)]
    write: Option<PathBuf>,
    /// Measures this file of these rules
    #[arg(long, hide = true)]
    measure: Option<PathBuf>,
}

/// How often each thing is asked, and how often where only some times are asked for.
const ROUNDS: usize = 1_000;
const FEW: usize = 20;
/// Rules that a search shows.
const SHOWN: usize = 10;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let rounds = if args.few { FEW } else { ROUNDS };
    for rules in args.rules {
        if let Some(file) = &args.write {
            made::file(file, rules).await?;
        } else if let Some(file) = &args.measure {
            measure(file, rules, rounds).await?;
        } else {
            let folder = tempfile::tempdir()?;
            let file = folder.path().join("elf.db");
            again(&["--write"], &file, rules)?;
            let few: &[&str] = if args.few { &["--few"] } else { &[] };
            again(&[few, &["--measure"]].concat(), &file, rules)?;
        }
    }
    Ok(())
}

fn again(what: &[&str], file: &Path, rules: u64) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(rules.to_string()).args(what).arg(file);
    let done = command.status()?;
    ensure!(done.success(), "{what:?} {rules} ended with {done}");
    Ok(())
}

async fn measure(file: &Path, rules: u64, rounds: usize) -> Result<()> {
    println!("{rules} rules");
    let elf = cold(file, rules).await?;
    let folder = file.parent().context("the file is in a folder")?;
    outcomes::measure(&elf, rounds / 2, &fsync(folder)?).await?;
    drop(elf);
    let bare = floors::Bare::of(rules)?;
    let elf = Elf::new(Arc::new(made::held(file).await?));
    let mut chance = 7;
    let floor = bare.searches(rounds, &mut chance)?;
    row(
        "  floor: bare tantivy, any of the words, best 100",
        &floor.shown(),
    );
    let floor = (&floor, rounds);
    warm(&elf, "  recall, any domain", None, floor).await?;
    warm(&elf, "  recall, one domain", Some("domain-3"), floor).await?;
    searches(&elf, floor).await
}

/// From the file to the first answer: a query in the words of a rule, that has to bring this rule.
async fn cold(file: &Path, rules: u64) -> Result<Elf> {
    let floor = floors::read(file)?;
    let wanted = made::texts(rules).nth(usize::try_from(rules / 2)?);
    let query = RecallQuery {
        text: wanted.clone().context("there is a rule")?,
        ..RecallQuery::default()
    };
    let begun = Instant::now();
    let elf = Elf::open(file)?;
    let receipt = elf
        .recall(&made::seat()?, &Tenant::default_tenant(), &query)
        .await
        .context("asked memory")?;
    let took = begun.elapsed().as_secs_f64();
    let first = receipt.eligible.first().context("nothing fitted")?;
    let first = elf.get_rule(&Tenant::default_tenant(), first).await?;
    ensure!(Some(first.rule.text) == wanted, "another rule came first");
    row(
        "  SQLite: opened to first answer",
        &format!("{took:.2} s, {} reading the file", ratio(took, floor)),
    );
    row(
        "  memory that is held then",
        &format!("{:.0} MB", rss(std::process::id())?),
    );
    Ok(elf)
}

async fn warm(
    elf: &Elf,
    what: &str,
    domain: Option<&str>,
    (floor, rounds): (&Times, usize),
) -> Result<()> {
    let mut chance = 7;
    ask(elf, domain, &mut chance).await?;
    let (mut times, mut tokens) = (Times::default(), 0);
    for _ in 0..rounds {
        let begun = Instant::now();
        tokens = tokens.max(ask(elf, domain, &mut chance).await?);
        times.since(begun);
    }
    let than = ratio(times.within(50), floor.within(50));
    let figure = format!(
        "{}, {than} the floor; at most {tokens} tokens",
        times.shown()
    );
    row(what, &figure);
    Ok(())
}

/// One recall; gives the tokens of its prompt.
async fn ask(elf: &Elf, domain: Option<&str>, chance: &mut u64) -> Result<usize> {
    let query = made::query(domain, chance);
    let receipt = elf
        .recall(&made::seat()?, &Tenant::default_tenant(), &query)
        .await;
    let receipt = receipt.context("asked memory")?;
    Ok(prompt::tokens(&prompt::prompt_block(&receipt)))
}

/// What `elf_search` asks.
async fn searches(elf: &Elf, (floor, rounds): (&Times, usize)) -> Result<()> {
    let (tenant, mut chance, mut times) = (Tenant::default_tenant(), 7, Times::default());
    for _ in 0..rounds {
        let words = made::words(20, &mut chance);
        let begun = Instant::now();
        let found = elf.search(&tenant, (&words, None), SHOWN).await?;
        times.since(begun);
        ensure!(!found.is_empty(), "nothing was found of {words}");
    }
    let than = ratio(times.within(50), floor.within(50));
    row(
        "  search, best 10",
        &format!("{}, {than} the floor", times.shown()),
    );
    Ok(())
}
