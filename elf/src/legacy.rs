//! What an older program remembered, as entries of ours. Pure. Its numbers were made in ways that prove
//! nothing, so nothing is learned from them: a confidence is a weak claim, an end is history.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use sandbox_core::{Outcome, Seat, Usage};

use crate::{
    ElfError, NewRule, decide,
    entry::{Ended, Entry, Legacy, RuleAdded, Source, SourceKind},
    label::Label,
    plan::{Intent, MAX_PLANS, Plan, Planned, Review, Reviewed},
    redact::Redactor,
    state::State,
    text,
    trail::{Mark, TrailKey},
};

/// A rule of an older program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldRule {
    /// What it says.
    pub rule: NewRule,
    /// What was believed of it.
    pub legacy: Legacy,
}

/// The end of a job of an older program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldEnd {
    /// The job, and which of its ends it is.
    pub seat: Seat,
    /// The job type's word.
    pub job_type: String,
    /// The project, where it names one.
    pub project: Option<String>,
    /// How it is said to have ended.
    pub outcome: Outcome,
    /// What failed.
    pub message: Option<String>,
    /// Files that were touched.
    pub files: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// When it ended.
    pub at: Timestamp,
}

/// A trail of an older program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldTrail {
    /// The file.
    pub path: String,
    /// How the work ended that went through it.
    pub mark: Mark,
    /// When.
    pub at: Timestamp,
}

/// A plan of an older program, with the first postmortem of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldPlan {
    /// What was meant.
    pub intent: Intent,
    /// When.
    pub made: Timestamp,
    /// How it went; its `plan_id` is not read.
    pub review: Option<OldReview>,
}

/// A postmortem of an older program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldReview {
    /// How it went; its `plan_id` is not read.
    pub review: Review,
    /// When that was told.
    pub told: Timestamp,
}

/// Postmortems that the ledger has, without their plans' numbers, and when they were told.
pub type Told = HashSet<(Review, Option<Timestamp>)>;

/// What an older program remembered, or a piece of it.
#[derive(Clone, Debug, Default)]
pub struct Old {
    /// Rules.
    pub rules: Vec<OldRule>,
    /// Ends.
    pub ends: Vec<OldEnd>,
    /// Trails.
    pub trails: Vec<OldTrail>,
    /// Plans.
    pub plans: Vec<OldPlan>,
    /// Postmortems without a plan.
    pub reviews: Vec<OldReview>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rules that are new.
    pub rules: u64,
    /// Ends that are new.
    pub ends: u64,
    /// Trails that are new.
    pub trails: u64,
    /// Plans that are new.
    pub plans: u64,
    /// Postmortems that are new.
    pub reviews: u64,
    /// What was known before.
    pub known: u64,
    /// What cannot be kept: its text as it was, and why.
    pub refused: Vec<(String, String)>,
}

/// The entries of what is not known yet, where these postmortems are.
#[must_use]
pub fn import(
    known: (&State, &Redactor),
    told: &Told,
    old: &Old,
    now: Timestamp,
) -> (Vec<Entry>, Imported) {
    let mut import = Import {
        state: known.0,
        redactor: known.1,
        told,
        now,
        entries: Vec::new(),
        new: BTreeSet::new(),
        seen: Imported::default(),
    };
    old.rules.iter().for_each(|rule| import.rule(rule));
    old.ends.iter().for_each(|end| import.end(end));
    old.trails.iter().for_each(|trail| import.trail(trail));
    old.plans.iter().for_each(|plan| import.plan(plan));
    old.reviews.iter().for_each(|review| import.review(review));
    (import.entries, import.seen)
}

struct Import<'a> {
    state: &'a State,
    redactor: &'a Redactor,
    told: &'a Told,
    now: Timestamp,
    entries: Vec<Entry>,
    /// Ids of rules, seats and trails that are among the entries.
    new: BTreeSet<String>,
    seen: Imported,
}

impl Import<'_> {
    fn rule(&mut self, old: &OldRule) {
        match self.added(old) {
            Ok(Some(entry)) => {
                self.entries.push(entry);
                self.seen.rules += 1;
            }
            Ok(None) => self.seen.known += 1,
            Err(e) => self.refuse("rule", &old.rule.text, &e),
        }
    }

    fn refuse(&mut self, what: &str, text: &str, why: &ElfError) {
        let text = self.redactor.clean(&text::one_line(text));
        let named = format!("{what} {:?}", text::cut(&text, 80));
        self.seen.refused.push((named, why.to_string()));
    }

    /// The entry of a rule; nothing where a rule says the same, also one that was retired.
    fn added(&mut self, old: &OldRule) -> Result<Option<Entry>, ElfError> {
        let mut added: RuleAdded = decide::checked(self.redactor, &old.rule)?;
        let project = added.project.as_deref();
        let said = (added.domain.as_str(), added.text.as_str());
        let known = decide::known_id(self.state, added.kind, project, said);
        if known.is_some() || !self.new.insert(added.id.clone()) {
            return Ok(None);
        }
        let added_now = usize::try_from(self.seen.rules).unwrap_or(usize::MAX);
        if self.state.rules.len().saturating_add(added_now) >= decide::MAX_RULES {
            return Err(ElfError::Full(decide::MAX_RULES));
        }
        // Agents stated most of them, and nobody knows which.
        added.source.kind = SourceKind::Agent;
        added.legacy = Some(old.legacy);
        Ok(Some(Entry::RuleAdded(Box::new(added.judged()))))
    }

    fn end(&mut self, old: &OldEnd) {
        let known = self
            .state
            .attempt(&old.seat)
            .is_some_and(|a| a.label.is_some());
        if known || !self.new.insert(old.seat.to_string()) {
            self.seen.known += 1;
            return;
        }
        let job_type = self.redactor.clean(&text::one_line(&old.job_type));
        let ended = Ended {
            seat: old.seat.clone(),
            job_type: text::cut(&job_type, decide::MAX_JOB_TYPE),
            project: old
                .project
                .as_deref()
                .and_then(|p| self.redactor.project(p)),
            domain: None,
            outcome: old.outcome,
            class: None,
            // A failed farm was a success there: such ends teach nothing.
            label: Label::Unknown,
            message: old
                .message
                .as_deref()
                .and_then(|m| self.redactor.message(m)),
            grade: None,
            usage: Usage {
                seconds: old.seconds,
                ..Usage::default()
            },
            files: decide::files(self.redactor, &old.files),
            lessons: Vec::new(),
            dropped: 0,
            at: old.at.min(self.now),
        };
        self.entries.push(Entry::Outcome(Box::new(ended)));
        self.seen.ends += 1;
    }

    fn trail(&mut self, old: &OldTrail) {
        let paths = decide::files(self.redactor, std::slice::from_ref(&old.path));
        let Some(path) = paths.into_iter().next() else {
            return;
        };
        let at = old.at.min(self.now);
        let key = TrailKey {
            project: None,
            path: path.clone(),
            mark: old.mark,
        };
        let known = self
            .state
            .trails
            .get(&key)
            .is_some_and(|heat| heat.at >= at);
        if known || !self.new.insert(format!("{:?} {path}", old.mark)) {
            self.seen.known += 1;
            return;
        }
        self.entries.push(Entry::TrailLaid {
            project: None,
            paths: vec![path],
            mark: old.mark,
            at,
        });
        self.seen.trails += 1;
    }

    /// A plan with what became of it. One that is known may have been reviewed since.
    fn plan(&mut self, old: &OldPlan) {
        let made = old.made.min(self.now);
        let kept = old.intent.kept(self.redactor).and_then(|intent| {
            let told = old.review.as_ref();
            let review = told.map(|r| r.review.kept(self.redactor, Some(&intent)));
            Ok((intent, review.transpose()?))
        });
        let (intent, review) = match kept {
            Ok(kept) => kept,
            Err(e) => return self.refuse("plan", &old.intent.title, &e),
        };
        let same = |p: &&Plan| p.intent == intent && p.created_at == made;
        let stands = self.state.plans.values().find(same);
        let number = match stands {
            Some(plan) => plan.number,
            None => self.state.head + self.entries.len() as u64 + 1,
        };
        if stands.is_some() {
            self.seen.known += 1;
        } else if self.planned() >= MAX_PLANS {
            return self.refuse("plan", &intent.title, &ElfError::ManyPlans(MAX_PLANS));
        } else {
            self.entries.push(Entry::Planned(Box::new(Planned {
                intent,
                source: Source::agent(None),
                made: Some(made),
            })));
            self.seen.plans += 1;
        }
        if let (Some(review), Some(told)) = (review, &old.review) {
            let is_over = stands.is_some_and(|p| p.review.is_some());
            self.reviewed(review, (!is_over).then_some(number), told.told);
        }
    }

    fn planned(&self) -> usize {
        let new = usize::try_from(self.seen.plans).unwrap_or(usize::MAX);
        self.state.plans.len().saturating_add(new)
    }

    /// A postmortem without a plan.
    fn review(&mut self, old: &OldReview) {
        match old.review.kept(self.redactor, None) {
            Ok(review) => self.reviewed(review, None, old.told),
            Err(e) => self.refuse("postmortem", &old.review.title, &e),
        }
    }

    /// What it taught is among the older program's rules already.
    fn reviewed(&mut self, review: Review, plan: Option<u64>, told: Timestamp) {
        let told = Some(told.min(self.now));
        let bare = Review {
            plan_id: None,
            ..review
        };
        let known = self.told.contains(&(bare.clone(), told));
        if known || !self.new.insert(format!("{told:?} {bare:?}")) {
            self.seen.known += 1;
            return;
        }
        let review = Review {
            plan_id: plan,
            ..bare
        };
        self.entries.push(Entry::Reviewed(Box::new(Reviewed {
            review,
            source: Source::agent(None),
            told,
        })));
        self.seen.reviews += 1;
    }
}
