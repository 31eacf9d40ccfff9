//! Money as whole micro-dollars, written as a decimal string such as `"5.00"`.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const MICROS: u64 = 1_000_000;
/// Most whole dollars that can be written: seven digits keep every sum far inside 64 bits.
const MAX_DOLLARS: u64 = 9_999_999;

/// An amount in US dollars, exact to a millionth. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd {
    micros: u64,
}

impl Usd {
    /// The amount of this many millionths of a dollar.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// Millionths of a dollar.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.micros
    }

    /// The sum, or the largest amount when it does not fit.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self::from_micros(self.micros.saturating_add(other.micros))
    }

    /// What is left of `self` after `spent`; zero when more was spent.
    #[must_use]
    pub const fn less(self, spent: Self) -> Self {
        Self::from_micros(self.micros.saturating_sub(spent.micros))
    }
}

/// Why a text is no amount of money.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "read an amount of US dollars: {0:?} is not like \"5.00\" (at most 9999999, at most six decimals)"
)]
pub struct NotMoney(String);

impl FromStr for Usd {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        parse(text).ok_or_else(|| NotMoney(text.chars().take(32).collect()))
    }
}

fn parse(text: &str) -> Option<Usd> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return None;
    }
    let dollars: u64 = whole.parse().ok().filter(|d| *d <= MAX_DOLLARS)?;
    let fraction: u64 = format!("{part:0<6}").parse().ok()?;
    Some(Usd::from_micros(dollars * MICROS + fraction))
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.micros / MICROS, self.micros % MICROS);
        let short = text.trim_end_matches('0');
        let cents = text.len() - 4;
        f.write_str(&text[..short.len().max(cents)])
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Usd {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Usd".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 14,
            "description": "US dollars as a decimal string, such as \"5.00\".",
            // A rule and no pattern: a rule has words of its own for what to write instead.
            "x-kubernetes-validations": [{
                "rule": "self.matches('^[0-9]{1,7}([.][0-9]{1,6})?$')",
                "message": "must be US dollars like 5.00, at most 9999999 and with at most six decimals"
            }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_reads_back_as_it_was_written() {
        for text in ["0.00", "5.00", "1.42", "0.000001", "9999999.999999"] {
            assert_eq!(text.parse::<Usd>().map(|u| u.to_string()), Ok(text.into()));
        }
        assert_eq!("5".parse::<Usd>().map(|u| u.to_string()), Ok("5.00".into()));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "-1", "1e3", "1.", ".5", "1.0000001", "10000000", "five"] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
    }
}
