//! What tokens cost, from the table `data/prices.toml` and a file of the server. Knows no account and
//! no discount.

use std::{path::Path, sync::Arc};

use sandbox_core::{Failure, Usd};
use serde::Deserialize;

use super::misconfigured;
use crate::settings::Settings;

const TABLE: &str = include_str!("../../data/prices.toml");
const MILLION: u128 = 1_000_000;

/// Tokens of one answer, as the API counts them: the three kinds of input do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read and not cached.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read, and put into the cache.
    pub cache_write: u64,
    /// Read from the cache.
    pub cache_read: u64,
}

impl Tokens {
    /// Everything the model read.
    pub const fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_read)
    }
}

/// US dollars per million tokens.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    model: String,
    #[serde(default)]
    prompt_above: u64,
    input: Usd,
    output: Usd,
    cache_write: Usd,
    cache_read: Usd,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    price: Vec<Price>,
}

/// What models cost: the table of the program, with the rows of a file of the server before its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices(Arc<[Price]>);

impl Default for Prices {
    fn default() -> Self {
        // The table is part of the program and read by a test: it cannot be broken here.
        Self(read(TABLE).unwrap_or_default().into())
    }
}

impl Prices {
    /// What these settings say.
    ///
    /// # Errors
    /// `InvalidSpec` when the server's file cannot be read; no job runs with other prices than its
    /// budget was meant for.
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        match &settings.prices_file {
            None => Ok(Self::default()),
            Some(file) => Self::with(file).map_err(misconfigured),
        }
    }

    /// The program's table with the rows of this file, which replace those of the same model.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn with(file: &Path) -> Result<Self, String> {
        let failed = |why: String| format!("read SANDBOX_PRICES_FILE {}: {why}", file.display());
        let text = std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))?;
        let mut rows = read(&text).map_err(|e| failed(e.to_string()))?;
        let own = Self::default();
        let is_new = |p: &&Price| !rows.iter().any(|r| r.model == p.model);
        let kept: Vec<Price> = own.0.iter().filter(is_new).cloned().collect();
        rows.extend(kept);
        Ok(Self(rows.into()))
    }

    /// What these tokens of this model cost, rounded up to a millionth of a dollar.
    pub fn cost(&self, model: &str, tokens: &Tokens) -> Usd {
        let price = price(&self.0, model, tokens.prompt());
        let parts = [
            (tokens.input, price.input),
            (tokens.output, price.output),
            (tokens.cache_write, price.cache_write),
            (tokens.cache_read, price.cache_read),
        ];
        let sum: u128 = parts
            .iter()
            .map(|(n, usd)| u128::from(*n) * u128::from(usd.micros()))
            .sum();
        Usd::from_micros(u64::try_from(sum.div_ceil(MILLION)).unwrap_or(u64::MAX))
    }
}

fn read(text: &str) -> Result<Vec<Price>, toml::de::Error> {
    Ok(toml::from_str::<Table>(text)?.price)
}

fn price(table: &[Price], model: &str, prompt: u64) -> Price {
    table
        .iter()
        .filter(|p| fits(&p.model, model) && (p.prompt_above == 0 || prompt > p.prompt_above))
        .max_by_key(|p| (p.model.len(), p.prompt_above))
        .cloned()
        .unwrap_or_else(|| dearest(table))
}

/// Whether the name is the row's or a version of it.
fn fits(row: &str, model: &str) -> bool {
    model
        .strip_prefix(row)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '@', ':', '[']))
}

fn dearest(table: &[Price]) -> Price {
    let most = |column: fn(&Price) -> Usd| table.iter().map(column).max().unwrap_or_default();
    Price {
        input: most(|p| p.input),
        output: most(|p| p.output),
        cache_write: most(|p| p.cache_write),
        cache_read: most(|p| p.cache_read),
        ..Price::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(model: &str, tokens: &Tokens) -> Usd {
        Prices::default().cost(model, tokens)
    }

    const fn plain(input: u64, output: u64) -> Tokens {
        Tokens {
            input,
            output,
            cache_write: 0,
            cache_read: 0,
        }
    }

    #[test]
    fn the_table_reads_and_every_row_is_sensible() {
        let table = toml::from_str::<Table>(TABLE).unwrap().price;
        assert!(table.len() > 10);
        for p in &table {
            assert!(p.cache_read < p.input, "{}", p.model);
            assert!(p.input < p.cache_write, "{}", p.model);
            assert!(p.cache_write < p.output, "{}", p.model);
        }
    }

    #[test]
    fn an_answer_costs_what_its_tokens_cost() {
        let tokens = Tokens {
            cache_write: 1_000_000,
            cache_read: 1_000_000,
            ..plain(1_000_000, 1_000_000)
        };
        let usd = cost("claude-sonnet-4-20250514", &tokens);
        assert_eq!(usd.to_string(), "22.05");
        assert_eq!(cost("claude-3-haiku", &plain(1, 0)).micros(), 1);
    }

    #[test]
    fn the_longest_row_that_fits_wins() {
        let tokens = plain(1_000_000, 0);
        assert_eq!(cost("claude-opus-4-20250514", &tokens).to_string(), "15.00");
        assert_eq!(
            cost("claude-opus-4-1-20250805", &tokens).to_string(),
            "15.00"
        );
        assert_eq!(
            cost("claude-opus-4-5-20251101", &tokens).to_string(),
            "5.00"
        );
        assert_eq!(cost("claude-opus-5", &tokens).to_string(), "5.00");
        assert_eq!(cost("claude-opus-5-5", &tokens).to_string(), "4.00");
    }

    #[test]
    fn a_long_prompt_has_its_own_price() {
        let model = "claude-haiku-5-5";
        assert_eq!(cost(model, &plain(100_000, 0)).to_string(), "0.01");
        assert_eq!(cost(model, &plain(200_000, 0)).to_string(), "0.10");
    }

    #[test]
    fn an_unknown_model_costs_as_much_as_the_dearest() {
        let tokens = plain(1_000_000, 1_000_000);
        for model in ["gpt-9", "", "claude-haiku-4", "claude-opus-55"] {
            assert_eq!(cost(model, &tokens).to_string(), "90.00", "{model}");
        }
    }

    #[test]
    fn absurd_counts_do_not_overflow() {
        let tokens = plain(u64::MAX, u64::MAX);
        assert_eq!(cost("x", &tokens).micros(), u64::MAX);
    }

    #[test]
    fn rows_of_the_servers_file_go_before_those_of_the_program() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let rows = ["claude-opus-5", "dear-1"].map(|model| {
            format!(
                "[[price]]\nmodel = \"{model}\"\ninput = \"200\"\noutput = \"400\"\n\
                 cache_write = \"250\"\ncache_read = \"20\"\n"
            )
        });
        std::fs::write(file.path(), rows.concat()).unwrap();
        let prices = Prices::with(file.path()).unwrap();
        let tokens = plain(1_000_000, 0);
        let of = |model: &str| prices.cost(model, &tokens).to_string();
        assert_eq!(of("claude-opus-5"), "200.00");
        assert_eq!(
            (of("claude-sonnet-4"), of("dear-1")),
            ("3.00".into(), "200.00".into())
        );
        // An unknown model is as dear as the dearest of all rows.
        assert_eq!(of("nobody-knows-9"), "200.00");
    }

    #[test]
    fn a_file_of_prices_that_is_none_is_refused_and_not_ignored() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            "price",
            "[[price]]\nmodel = \"x\"",
            "[[prices]]\nmodel = \"x\"",
        ] {
            std::fs::write(file.path(), text).unwrap();
            let said = Prices::with(file.path()).unwrap_err();
            assert!(said.contains("SANDBOX_PRICES_FILE"), "{said}");
        }
        assert!(Prices::with(Path::new("/surely/not/there")).is_err());
    }
}
