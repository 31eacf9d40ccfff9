//! The tools that read.

use super::{
    Asker, Told,
    args::{self, Depth, Which},
    done, given,
};
use crate::{
    Elf, ElfError,
    face::{Heuristic, HeuristicQuery},
    plan::MAX_PLANS,
    prompt, text,
};
use sandbox_core::port::Lesson;

/// Tokens of rules by depth: so an answer stays far below what a client takes.
const TOKENS: [usize; 3] = [400, 1_000, 1_500];
/// Most golden rules of one answer.
const GOLDEN: usize = 10;
/// Golden rules among what a search found.
const GOLDEN_FOUND: usize = 5;
/// Rules that are looked at, most trusted first.
const LOOKED_AT: u32 = 50;
/// Ends and files of a deep answer.
const LATELY: u32 = 10;
/// Tokens of rules that a search gives.
const FOUND: usize = 1_500;
/// How far the pages of a search go: what comes later fits hardly.
const REACHED: usize = 200;

pub(super) async fn query(elf: &Elf, asker: &Asker, args: args::Query) -> Told {
    bounded("domain", args.domain.as_deref(), text::MAX_DOMAIN)?;
    bounded(
        "project_path",
        args.project_path.as_deref(),
        text::MAX_PROJECT,
    )?;
    let wanted = HeuristicQuery {
        domain: args.domain.clone(),
        project: args.project_path.clone(),
        limit: LOOKED_AT,
        ..HeuristicQuery::default()
    };
    let tenant = &asker.tenant;
    let mut left = TOKENS[args.depth as usize];
    let golden = elf.golden_rules(tenant, args.project_path).await?;
    let golden_rules = within(golden.iter().take(GOLDEN), &mut left);
    let mut heuristics = None;
    if args.depth != Depth::Minimal {
        let rules = elf.heuristics(tenant, wanted).await?;
        heuristics = Some(within(rules.iter().filter(|r| r.is_golden == 0), &mut left));
    }
    let mut context = given::Context {
        client_id: tenant.to_string(),
        depth: args.depth,
        prompt_context: block(golden_rules.iter().chain(heuristics.iter().flatten())),
        golden_rules,
        heuristics,
        recent_outcomes: None,
        trails: None,
    };
    if args.depth == Depth::Deep {
        lately(elf, asker, &mut context).await?;
    }
    done(shown(&context), &context)
}

async fn lately(elf: &Elf, asker: &Asker, context: &mut given::Context) -> Result<(), ElfError> {
    let ends = elf.outcomes(&asker.tenant, None, LATELY).await?;
    context.recent_outcomes = Some(ends.outcomes.iter().map(given::Ended::of).collect());
    let spots = elf.hot_spots(&asker.tenant, LATELY).await?;
    let spot = |s: crate::trail::HotSpot| given::Spot {
        path: s.path,
        strength: s.strength,
    };
    context.trails = Some(spots.into_iter().map(spot).collect());
    Ok(())
}

/// The rules that fit into what is left, in their order.
fn within<'a>(rules: impl Iterator<Item = &'a Heuristic>, left: &mut usize) -> Vec<given::Rule> {
    let mut fit = Vec::new();
    for rule in rules.map(given::Rule::of) {
        match left.checked_sub(rule.tokens()) {
            Some(rest) => *left = rest,
            None => break,
        }
        fit.push(rule);
    }
    fit
}

/// Rules as they stand in a prompt: data, one line each.
fn block<'a>(rules: impl Iterator<Item = &'a given::Rule>) -> String {
    let lines: String = rules
        .map(|rule| {
            prompt::line(&Lesson {
                rule: rule.rule_id.clone(),
                domain: rule.domain.clone(),
                text: rule.rule.clone(),
            })
        })
        .collect();
    if lines.is_empty() {
        return lines;
    }
    format!("{}{lines}", prompt::HEADING)
}

fn shown(context: &given::Context) -> String {
    let mut text = context.prompt_context.clone();
    if text.is_empty() {
        "Memory knows no rule here yet. Record one with elf_record_heuristic when you learn something.".clone_into(&mut text);
    }
    let ends = context.recent_outcomes.iter().flatten().map(|end| {
        let why = end.error_message.as_deref().unwrap_or_default();
        format!("\n- {} {}: {why}", end.job_type, end.outcome)
    });
    let spots = context.trails.iter().flatten();
    let spots = spots.map(|spot| format!("\n- {} {:.2}", spot.path, spot.strength));
    text.extend(ends.chain(spots));
    text
}

pub(super) async fn search(elf: &Elf, asker: &Asker, args: args::Search) -> Told {
    bounded("domain", args.domain.as_deref(), text::MAX_DOMAIN)?;
    let most = rows(args.limit)?;
    let begin = place(args.cursor.as_deref())?.unwrap_or_default();
    let begin = usize::try_from(begin).unwrap_or(REACHED).min(REACHED);
    let wanted = (args.query.as_str(), args.domain.as_deref());
    // One more says whether there are more.
    let mut found = elf.search(&asker.tenant, wanted, begin + most + 1).await?;
    let all = found.len();
    let found: Vec<Heuristic> = found.drain(begin.min(all)..).take(most).collect();
    let heuristics = within(found.iter(), &mut { FOUND });
    let end = begin + heuristics.len();
    let golden = found.iter().filter(|r| r.is_golden == 1);
    let mut text = block(heuristics.iter());
    if text.is_empty() {
        "No rule has these words.".clone_into(&mut text);
    }
    let found = given::Found {
        client_id: asker.tenant.to_string(),
        query: args.query.trim().to_owned(),
        domain: args.domain,
        golden_rules: golden.take(GOLDEN_FOUND).map(given::Rule::of).collect(),
        total_results: heuristics.len(),
        next_cursor: (!heuristics.is_empty() && end < all.min(REACHED)).then(|| end.to_string()),
        heuristics,
    };
    done(text, &found)
}

pub(super) async fn plans(elf: &Elf, asker: &Asker, args: args::Plans) -> Told {
    let status = match args.status {
        Which::Active => Some("active"),
        Which::Completed => Some("completed"),
        Which::All => None,
    };
    let most = rows(args.limit)?;
    let before = place(args.cursor.as_deref())?.unwrap_or(u64::MAX);
    let found = elf.plans(&asker.tenant, status, MAX_PLANS).await?;
    let mut found = found.iter().filter(|p| p.number < before);
    let plans: Vec<given::Plan> = found.by_ref().take(most).map(given::Plan::of).collect();
    let last = plans.last().map(|p| p.id.to_string());
    let line = |p: &given::Plan| format!("- plan {} ({}): {}\n", p.id, p.status, p.title);
    let mut text: String = plans.iter().map(line).collect();
    if text.is_empty() {
        "There is no such plan.".clone_into(&mut text);
    }
    let planned = given::Planned {
        client_id: asker.tenant.to_string(),
        status_filter: args.status,
        count: plans.len(),
        next_cursor: found.next().and(last),
        plans,
    };
    done(text, &planned)
}

pub(super) async fn stats(elf: &Elf, asker: &Asker, _: args::Nothing) -> Told {
    let counters = elf.stats(&asker.tenant).await?;
    let text = format!(
        "{} rules, {} of them golden; {} outcomes, {} of them successes; {} trails.",
        counters.total_heuristics,
        counters.golden_rules,
        counters.total_outcomes,
        counters.successful_jobs,
        counters.active_trails
    );
    let counted = given::Counted {
        client_id: asker.tenant.to_string(),
        counters,
    };
    done(text, &counted)
}

fn rows(limit: u32) -> Result<usize, ElfError> {
    if (1..=50).contains(&limit) {
        return Ok(limit as usize);
    }
    Err(ElfError::invalid("limit", "it must be 1 to 50"))
}

/// Where the page before ended.
fn place(cursor: Option<&str>) -> Result<Option<u64>, ElfError> {
    let wrong = |_| ElfError::invalid("cursor", "give the next_cursor of an answer");
    cursor.map(|c| c.parse().map_err(wrong)).transpose()
}

fn bounded(field: &'static str, given: Option<&str>, most: usize) -> Result<(), ElfError> {
    given.map_or(Ok(()), |g| text::line(field, g, 0..=most).map(drop))
}
