//! Why a rule is golden or is not, in sentences with figures. Pure; decides nothing.

use serde::{Deserialize, Serialize};

use super::{
    CONTROL,
    verdict::{GOLDEN, LEAST, LEAST_EFFECT, LOST, Verdict, more_jobs},
};

/// What a rule of which little is known is supposed to be worth: as much as a good one.
const SUPPOSED: f64 = 0.1;

/// Why a rule is golden or is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Whether it is golden.
    pub golden: bool,
    /// That, in a sentence or two.
    pub sentence: String,
    /// What a rule has to show to become golden.
    pub conditions: Vec<Condition>,
}

/// One of the things that a rule has to show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `confidence`, `effect`, `prompts` or `control`.
    pub what: String,
    /// Whether it is shown.
    pub holds: bool,
    /// The figure: a share of 1, a change in success, or jobs.
    pub seen: f64,
    /// The least that is asked.
    pub wanted: f64,
    /// About how many more jobs it takes; nothing when it is not known or will not be.
    pub jobs_missing: Option<u64>,
    /// All of it in words.
    pub sentence: String,
}

impl Explained {
    /// What is to be said of this verdict.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        let mut conditions = vec![confidence(verdict), effect(verdict), prompts(verdict)];
        let lacks_control_only = conditions.iter().all(|c| c.holds);
        conditions.push(control(verdict, lacks_control_only));
        let lacking: Vec<&str> = conditions
            .iter()
            .filter(|c| !c.holds)
            .map(|c| c.what.as_str())
            .collect();
        Self {
            golden: verdict.golden,
            sentence: sentence(verdict, &lacking),
            conditions,
        }
    }
}

fn sentence(verdict: &Verdict, lacking: &[&str]) -> String {
    if verdict.golden {
        return format!(
            "It is golden, and stays so while it is at least {} sure that it helps; now it is {} sure.",
            share(LOST),
            share(verdict.confidence)
        );
    }
    let end = match verdict.missing {
        _ if lacking == ["control"] => {
            "All it lacks is jobs that it fits and is kept back from.".to_owned()
        }
        Some(jobs) => {
            format!(
                "Not enough evidence yet: about {jobs} more jobs, if its effect is as expected."
            )
        }
        None if verdict.high >= LEAST_EFFECT => format!(
            "Not enough evidence yet: about {} more jobs, if it is worth {}.",
            more_jobs(verdict, SUPPOSED),
            points(SUPPOSED)
        ),
        None => format!(
            "With an effect below {}, no number of jobs makes it so.",
            points(LEAST_EFFECT)
        ),
    };
    let count = lacking.len();
    format!(
        "It is not golden: {count} of 4 conditions lack ({}). {end}",
        lacking.join(", ")
    )
}

fn confidence(verdict: &Verdict) -> Condition {
    let holds = verdict.confidence >= GOLDEN;
    let missing = verdict.missing.filter(|_| !holds);
    let more = missing.map_or_else(String::new, |n| format!(" About {n} more jobs."));
    Condition {
        what: "confidence".to_owned(),
        holds,
        seen: verdict.confidence,
        wanted: GOLDEN,
        jobs_missing: missing,
        sentence: format!(
            "It is {} sure that it helps; {} is asked.{more}",
            share(verdict.confidence),
            share(GOLDEN)
        ),
    }
}

fn effect(verdict: &Verdict) -> Condition {
    Condition {
        what: "effect".to_owned(),
        holds: verdict.effect >= LEAST_EFFECT,
        seen: verdict.effect,
        wanted: LEAST_EFFECT,
        jobs_missing: None,
        sentence: format!(
            "It is expected to change success by {} (nine times of ten between {} and {}); {} is asked.",
            points(verdict.effect),
            points(verdict.low),
            points(verdict.high),
            points(LEAST_EFFECT)
        ),
    }
}

fn prompts(verdict: &Verdict) -> Condition {
    let missing = LEAST.0.saturating_sub(verdict.injected);
    let more = more(missing, "");
    jobs(
        "prompts",
        (verdict.injected, LEAST.0),
        missing,
        |seen, wanted| {
            format!(
                "It stood in the prompts of {seen} jobs whose end is known; {wanted} are asked.{more}"
            )
        },
    )
}

/// Without a control nobody knows how the same work goes without the rule.
fn control(verdict: &Verdict, is_due: bool) -> Condition {
    let missing = LEAST.1.saturating_sub(verdict.withheld);
    // Rounded to whole jobs; the share is a tenth.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "one over a share that is above zero"
    )]
    let times = (1.0 / CONTROL).round() as u64;
    let (missing, how) = if is_due {
        let how = " Since all else is shown, it is kept back one time in ten for that.";
        (missing * times, how)
    } else {
        (missing, "")
    };
    let more = more(missing, how);
    jobs(
        "control",
        (verdict.withheld, LEAST.1),
        missing,
        |seen, wanted| {
            format!("It fitted {seen} such jobs and was kept back; {wanted} are asked.{more}")
        },
    )
}

fn more(missing: u64, how: &str) -> String {
    match missing {
        0 => String::new(),
        n => format!("{how} About {n} more."),
    }
}

fn jobs(
    what: &str,
    (seen, wanted): (u64, u64),
    missing: u64,
    say: impl Fn(u64, u64) -> String,
) -> Condition {
    let count = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    Condition {
        what: what.to_owned(),
        holds: seen >= wanted,
        seen: count(seen),
        wanted: count(wanted),
        jobs_missing: (missing > 0).then_some(missing),
        sentence: say(seen, wanted),
    }
}

/// A share of 1 in percent.
fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A change in success in points.
fn points(change: f64) -> String {
    format!("{:+.1} points", change * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVEN: Verdict = Verdict {
        confidence: 0.99,
        effect: 0.08,
        low: 0.02,
        high: 0.14,
        injected: 40,
        withheld: 20,
        missing: Some(0),
        golden: true,
    };

    fn lacking(verdict: Verdict) -> Vec<String> {
        let conditions = Explained::of(&verdict).conditions;
        let lacking = conditions.into_iter().filter(|c| !c.holds);
        lacking.map(|c| c.what).collect()
    }

    #[test]
    fn each_condition_lacks_alone_and_says_its_figures() {
        assert_eq!(lacking(PROVEN), Vec::<String>::new());
        let unsure = Verdict {
            confidence: 0.9,
            ..PROVEN
        };
        let small = Verdict {
            effect: 0.02,
            ..PROVEN
        };
        let young = Verdict {
            injected: 6,
            ..PROVEN
        };
        let free = Verdict {
            withheld: 4,
            ..PROVEN
        };
        let all = [
            (unsure, "confidence"),
            (small, "effect"),
            (young, "prompts"),
            (free, "control"),
        ];
        for (verdict, what) in all {
            assert_eq!(lacking(verdict), [what]);
        }
        let of = |verdict: Verdict, at: usize| Explained::of(&verdict).conditions[at].clone();
        assert_eq!(of(young, 2).jobs_missing, Some(9));
        assert!(
            of(young, 2)
                .sentence
                .ends_with("15 are asked. About 9 more.")
        );
        assert_eq!(of(free, 3).jobs_missing, Some(120), "one time in ten");
        assert!(
            of(small, 1).sentence.contains("by +2.0 points"),
            "{:?}",
            of(small, 1)
        );
    }

    #[test]
    fn what_is_not_golden_says_how_many_jobs_it_takes_or_that_none_will_do() {
        let far = Verdict {
            golden: false,
            confidence: 0.7,
            missing: Some(210),
            ..PROVEN
        };
        let said = Explained::of(&far).sentence;
        assert!(
            said.contains(
                "1 of 4 conditions lack (confidence). Not enough evidence yet: about 210 more jobs"
            ),
            "{said}"
        );
        let never = Verdict {
            golden: false,
            effect: -0.1,
            confidence: 0.1,
            low: -0.2,
            high: 0.0,
            missing: None,
            ..PROVEN
        };
        let said = Explained::of(&never).sentence;
        assert!(
            said.contains("(confidence, effect)") && said.contains("no number of jobs"),
            "{said}"
        );
        let new = Verdict {
            golden: false,
            effect: 0.0,
            confidence: 0.5,
            low: -0.2,
            high: 0.2,
            injected: 0,
            withheld: 0,
            missing: None,
        };
        let said = Explained::of(&new).sentence;
        assert!(
            said.ends_with(
                "Not enough evidence yet: about 127 more jobs, if it is worth +10.0 points."
            ),
            "{said}"
        );
    }

    #[test]
    fn a_golden_rule_stays_so_although_it_would_not_become_so_again() {
        let said = Explained::of(&Verdict {
            confidence: 0.85,
            ..PROVEN
        });
        assert!(said.golden && said.sentence.contains("80.0 %"), "{said:?}");
    }
}
