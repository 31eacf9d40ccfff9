//! The tools that write. Everything is kept under the name of whoever tells it.

use super::{Asker, Told, args, args::End, done, given};
use crate::{
    Elf, ElfError, NewRule,
    entry::Claimed,
    face::diary::ToldEnd,
    label::Label,
    plan::{Intent, Kept, Review},
    rule::RuleStatus,
    text,
};

/// Most files and lessons of one outcome; more is refused, not cut.
const MOST: (usize, usize) = (100, 50);
/// Longest message of a failure, in characters.
const MESSAGE: usize = 2_000;
/// Longest lesson, in characters: a rule with its domain and the marker around them.
const LESSON: usize = 700;

pub(super) async fn heuristic(elf: &Elf, asker: &Asker, args: args::Heuristic) -> Told {
    let rule = NewRule {
        domain: args.domain,
        text: args.rule,
        explanation: args.explanation,
        project: args.project_path,
        ..NewRule::default()
    };
    let claimed = Claimed {
        percent: percent(args.confidence)?,
        from: args.source,
    };
    let by = (asker.source(), claimed);
    let kept = elf.state_rule(&asker.tenant, rule, by).await?;
    let held = match kept.status {
        RuleStatus::Quarantined => {
            " It reads like orders and is held back until a person has looked."
        }
        _ => "",
    };
    let text = format!(
        "Rule {} ({}) is known: {}{held}",
        kept.id, kept.rule_id, kept.rule
    );
    let stated = given::Stated {
        success: true,
        heuristic_id: kept.id,
        rule_id: kept.rule_id,
        client_id: asker.tenant.to_string(),
        domain: kept.domain,
        rule: kept.rule,
        confidence: kept.confidence,
    };
    done(text, &stated)
}

fn percent(confidence: f64) -> Result<u8, ElfError> {
    if !(0.0..=1.0).contains(&confidence) {
        return Err(ElfError::invalid("confidence", "it must be 0 to 1"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is 0 to 100"
    )]
    let percent = (confidence * 100.0).round() as u8;
    Ok(percent)
}

pub(super) async fn outcome(elf: &Elf, asker: &Asker, args: args::Outcome) -> Told {
    if args.files_touched.len() > MOST.0 || args.learnings.len() > MOST.1 {
        let problem = format!("at most {} files and {} lessons are kept", MOST.0, MOST.1);
        return Err(ElfError::invalid("files_touched or learnings", problem));
    }
    readable(&args)?;
    let job = args.job_id.trim().to_owned();
    let (outcome_id, outcome, message) = if asker.seat.is_some() {
        let text = "Your job's runner tells memory how it ends; nothing was written. Record lessons with elf_record_heuristic.";
        (None, args.outcome, text.to_owned())
    } else {
        told(elf, asker, args).await?
    };
    let text = message.clone();
    let kept = given::EndKept {
        success: true,
        outcome_id,
        client_id: asker.tenant.to_string(),
        job_id: job,
        outcome,
        message,
    };
    done(text, &kept)
}

/// What a runner reports is cleaned where it must be, for it cannot be asked again; whoever calls a
/// tool can be told.
fn readable(args: &args::Outcome) -> Result<(), ElfError> {
    let project = args.project_path.as_deref().unwrap_or_default();
    text::line("project_path", project, 0..=text::MAX_PROJECT)?;
    let message = args.error_message.as_deref().unwrap_or_default();
    text::block("error_message", message, 0..=MESSAGE)?;
    for file in &args.files_touched {
        text::line("files_touched", file, 1..=text::MAX_PATH)?;
    }
    for lesson in &args.learnings {
        text::line("learnings", lesson, 1..=LESSON)?;
    }
    Ok(())
}

async fn told(
    elf: &Elf,
    asker: &Asker,
    args: args::Outcome,
) -> Result<(Option<u64>, End, String), ElfError> {
    let told = ToldEnd {
        job: args.job_id,
        job_type: args.job_type,
        success: match args.outcome {
            End::Success => 1.0,
            End::Partial => 0.5,
            End::Failure => 0.0,
        },
        project: args.project_path,
        seconds: seconds(args.duration_seconds)?,
        files: args.files_touched,
        lessons: args.learnings,
        message: args.error_message,
    };
    let stands = elf.told_end(&asker.tenant, &told).await?;
    let outcome = match (stands.ended.label, stands.ended.grade) {
        (Label::Success, _) => End::Success,
        (_, Some(grade)) if grade > 0.0 => End::Partial,
        _ => End::Failure,
    };
    let message = if outcome == args.outcome {
        format!("Outcome {} is kept.", stands.seq)
    } else {
        let seq = stands.seq;
        format!("Outcome {seq} of this job was told before and stands; nothing was changed.")
    };
    Ok((Some(stands.seq), outcome, message))
}

fn seconds(given: Option<f64>) -> Result<u64, ElfError> {
    let given = given.unwrap_or_default();
    // A century is more than any work takes.
    if !(0.0..=3.2e9).contains(&given) {
        let problem = "it must be a number of seconds";
        return Err(ElfError::invalid("duration_seconds", problem));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is in bounds"
    )]
    let whole = given as u64;
    Ok(whole)
}

pub(super) async fn vote(elf: &Elf, asker: &Asker, args: args::Vote, helpful: bool) -> Told {
    let id = args.heuristic_id.text();
    let tenant = &asker.tenant;
    match &asker.seat {
        Some(seat) => elf.vote(tenant, seat, &id, helpful).await?,
        None => elf.think(tenant, &id, helpful).await?,
    }
    let rule = elf.heuristic(tenant, &id).await?;
    let action = if helpful { "validated" } else { "violated" };
    let message = match &asker.seat {
        Some(_) => "Your job's word is kept as weak evidence, once.",
        None => {
            "Kept as an opinion. Confidence follows outcomes of jobs whose prompt held the rule."
        }
    };
    let voted = given::Voted {
        success: true,
        heuristic_id: rule.id,
        action: action.to_owned(),
        message: message.to_owned(),
        confidence: rule.confidence,
    };
    done(format!("Rule {} is {action}. {message}", rule.id), &voted)
}

pub(super) async fn plan(elf: &Elf, asker: &Asker, args: args::Plan) -> Told {
    let intent = Intent {
        title: args.title,
        description: args.description,
        approach: args.approach,
        risks: args.risks,
        expected_outcome: args.expected_outcome,
        domain: args.domain,
    };
    let plan = elf
        .record_plan(&asker.tenant, intent, asker.source())
        .await?;
    let message = format!(
        "Plan {} is kept. When it is done, call elf_record_postmortem with plan_id {}.",
        plan.number, plan.number
    );
    let kept = given::PlanKept {
        success: true,
        plan_id: plan.number,
        task_id: plan.task_id(),
        client_id: asker.tenant.to_string(),
        title: plan.intent.title.clone(),
        message: message.clone(),
    };
    done(message, &kept)
}

pub(super) async fn postmortem(elf: &Elf, asker: &Asker, args: args::Postmortem) -> Told {
    let review = Review {
        plan_id: args.plan_id,
        title: args.title,
        actual_outcome: args.actual_outcome,
        divergences: args.divergences,
        went_well: args.went_well,
        went_wrong: args.went_wrong,
        lessons: args.lessons,
        domain: args.domain,
    };
    let told = review.clone();
    let kept = elf
        .record_postmortem(&asker.tenant, review, asker.source())
        .await?;
    let rule = match &kept.rule {
        Some(id) => Some(elf.heuristic(&asker.tenant, id).await?.id),
        None => None,
    };
    let lessons = rule.map(|number| format!(" Its lessons are rule {number}."));
    let text = format!(
        "Postmortem {} is kept.{}",
        kept.number,
        lessons.unwrap_or_default()
    );
    let answer = given::ReviewKept {
        success: true,
        postmortem_id: kept.number,
        plan_id: told.plan_id,
        client_id: asker.tenant.to_string(),
        linked_to_plan: kept.plan.is_some(),
        analysis: analysis(&kept, &told),
        title: kept.title,
        heuristic_created: rule,
    };
    done(text, &answer)
}

fn analysis(kept: &Kept, told: &Review) -> Option<given::Analysis> {
    let intent = &kept.plan.as_ref()?.intent;
    Some(given::Analysis {
        plan_title: intent.title.clone(),
        expected_outcome: intent.expected_outcome.clone(),
        actual_outcome: kept.actual_outcome.clone(),
        had_divergences: !told.divergences.trim().is_empty(),
        lessons_captured: !told.lessons.trim().is_empty(),
    })
}
