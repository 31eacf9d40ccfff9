//! What a deployment is billed each month though nothing runs, as far as docs/aws.md can say.

use sandbox_operator::aws::deployment::{
    names::Standing,
    step::{Seen, Switch},
};
use serde_json::{Value, json};

/// List prices of a month in US cents: a key of KMS, a secret, an alarm.
///
/// Source: the table "What it costs" of docs/aws.md.
const CENTS: [u32; 3] = [100, 40, 10];

/// It, in US dollars, and what has no figure.
pub fn cost(has: &Standing, seen: &Seen) -> Value {
    let [keys, secrets, alarms] = CENTS;
    let parts = [
        keys * has.kms_keys,
        secrets * has.secrets,
        alarms * has.alarms,
    ];
    let [keys, secrets, alarms] = parts.map(dollars);
    json!({
        "usd_a_month": dollars(parts.iter().sum()),
        "kms_keys": keys,
        "secrets": secrets,
        "alarms": alarms,
        "not_counted": without_a_figure(has, seen),
    })
}

fn dollars(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn without_a_figure(has: &Standing, seen: &Seen) -> Vec<&'static str> {
    let mut all = vec!["what is stored, by the GB"];
    match has.way_out.as_str() {
        "ipv6" => all.push("eight endpoint-hours an hour"),
        "nat" => all.push("a NAT gateway and an address, by the hour"),
        "own" => all.push("the network that was there"),
        _ => {}
    }
    let polls = |s: Option<&Switch>| s.is_none_or(|s| *s != Switch::Off);
    if polls(seen.sources.get("wakes")) {
        all.push("asking the queue of wakes, by the request");
    }
    if polls(Some(&seen.sweep)) {
        all.push("the sweep, by the request and the GB-second");
    }
    all
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../../../docs/aws.md");

    fn standing(kms_keys: u32, way_out: &str) -> Standing {
        Standing {
            kms_keys,
            secrets: 2,
            alarms: 10,
            way_out: way_out.to_owned(),
        }
    }

    fn seen(switch: Switch) -> Seen {
        Seen {
            mark: None,
            in_force: false,
            told: false,
            at_work: Vec::new(),
            queued: 0,
            tasks: Vec::new(),
            sweep: switch,
            sources: [("wakes".to_owned(), switch)].into(),
        }
    }

    #[test]
    fn the_sum_is_the_one_that_the_page_on_aws_gives() {
        let usd =
            |keys| cost(&standing(keys, "address"), &seen(Switch::Off))["usd_a_month"].clone();
        let (with, without) = (usd(1), usd(0));
        let said = format!(
            "So {} USD stand still, {} of them without a key of one's own",
            with.as_str().unwrap(),
            without.as_str().unwrap()
        );
        assert!(DOCS.contains(&said), "{said}");
    }

    #[test]
    fn what_has_no_figure_is_named_and_what_does_not_poll_is_left_out() {
        let on = cost(&standing(1, "nat"), &seen(Switch::On))["not_counted"].clone();
        assert_eq!(on.as_array().unwrap().len(), 4, "{on}");
        let off = cost(&standing(1, "address"), &seen(Switch::Off))["not_counted"].clone();
        assert_eq!(off, json!(["what is stored, by the GB"]));
    }
}
