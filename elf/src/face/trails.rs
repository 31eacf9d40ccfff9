//! Where work went lately, as it is asked for. Changes nothing.

use std::collections::BTreeMap;

use glob::{MatchOptions, Pattern};
use jiff::Timestamp;
use sandbox_core::Tenant;

use super::ask::{MAX_ROWS, rows_of};
use crate::{
    Elf, ElfError,
    state::State,
    text,
    trail::{FAINT, HotSpot, Trail, TrailKey, millionths},
};

/// Characters that make a path a pattern.
const SIGNS: [char; 3] = ['*', '?', '['];
/// A star stays within its folder; `**` does not.
const WITHIN: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Which trails are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailQuery {
    /// Only this file, files below this folder, or files that fit a pattern with `*`, `?`, `[…]` or `**`.
    pub path: Option<String>,
    /// Only of this project; of all when absent.
    pub project: Option<String>,
}

/// Which files are wanted.
enum Wanted {
    All,
    Below(String),
    Fits(String, Pattern),
}

impl Wanted {
    fn of(path: Option<&str>) -> Result<Self, ElfError> {
        let Some(path) = path else {
            return Ok(Self::All);
        };
        let path = text::line("path", path, 0..=text::MAX_PATH)?;
        let path = path.trim_start_matches("./").trim_end_matches('/');
        if !path.contains(SIGNS) {
            return Ok(Self::Below(path.to_owned()));
        }
        let wrong = |e: glob::PatternError| {
            ElfError::invalid("path", format!("it is no pattern: {}", e.msg))
        };
        let fits = |pattern| Self::Fits(path.to_owned(), pattern);
        Pattern::new(path).map(fits).map_err(wrong)
    }

    fn has(&self, file: &str) -> bool {
        match self {
            Self::All => true,
            Self::Below(path) => is_below(file, path),
            // A file may have such signs in its name.
            Self::Fits(path, pattern) => is_below(file, path) || pattern.matches_with(file, WITHIN),
        }
    }
}

fn is_below(file: &str, path: &str) -> bool {
    file.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Elf {
    /// Trails that can still be seen, strongest first.
    ///
    /// # Errors
    /// `Invalid` for a pattern that is none, or the store cannot be read.
    pub async fn trails(&self, tenant: &Tenant, query: TrailQuery) -> Result<Vec<Trail>, ElfError> {
        let wanted = Wanted::of(query.path.as_deref())?;
        let project = query.project.as_deref().and_then(text::project);
        let now = self.now();
        self.read(tenant, move |live| {
            let fits = |key: &TrailKey| {
                let here = project.is_none() || key.project == project;
                here && wanted.has(&key.path)
            };
            seen(&live.state, fits, now)
        })
        .await
    }

    /// The files on which most was laid lately, hottest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn hot_spots(&self, tenant: &Tenant, limit: u32) -> Result<Vec<HotSpot>, ElfError> {
        let now = self.now();
        self.read(tenant, move |live| {
            hot_spots(&live.state, rows_of(limit), now)
        })
        .await
    }
}

fn seen(state: &State, fits: impl Fn(&TrailKey) -> bool, now: Timestamp) -> Vec<Trail> {
    let here = state.trails.iter().filter(|(key, _)| fits(key));
    let mut seen: Vec<Trail> = here
        .filter_map(|(key, heat)| Trail::read(key, heat, now))
        .collect();
    seen.sort_by(|a, b| {
        b.strength
            .total_cmp(&a.strength)
            .then_with(|| a.path.cmp(&b.path))
    });
    seen.truncate(MAX_ROWS as usize);
    seen
}

fn hot_spots(state: &State, most: usize, now: Timestamp) -> Vec<HotSpot> {
    let mut sums: BTreeMap<(Option<String>, String), f64> = BTreeMap::new();
    for (key, heat) in &state.trails {
        let file = (key.project.clone(), key.path.clone());
        *sums.entry(file).or_default() += heat.strength(key.mark, now);
    }
    let spots = sums.into_iter().filter(|(_, strength)| *strength >= FAINT);
    let mut spots: Vec<HotSpot> = spots
        .map(|((project, path), strength)| HotSpot {
            project,
            path,
            strength: millionths(strength),
        })
        .collect();
    spots.sort_by(|a, b| {
        b.strength
            .total_cmp(&a.strength)
            .then_with(|| a.path.cmp(&b.path))
    });
    spots.truncate(most);
    spots
}
