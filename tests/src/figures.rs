//! What benches share: times in order, what a process holds, and what the disk takes. Judges nothing.

use std::{fs::OpenOptions, io::Write, path::Path, time::Instant};

use anyhow::{Context, Result};

/// How often the disk is asked.
const WRITES: usize = 200;

/// How long the same thing took each time, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times(Vec<f64>);

impl Times {
    /// Notes what took its time since then.
    pub fn since(&mut self, begun: Instant) {
        self.0.push(begun.elapsed().as_secs_f64() * 1e3);
    }

    /// Notes how many milliseconds it took.
    pub fn note(&mut self, milliseconds: f64) {
        self.0.push(milliseconds);
    }

    /// How often it was timed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time within which so many of a hundred were done.
    #[must_use]
    pub fn within(&self, percent: usize) -> f64 {
        let mut times = self.0.clone();
        times.sort_by(f64::total_cmp);
        let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(place).copied().unwrap_or_default()
    }

    /// The middle and the worst but one of a hundred, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        format!(
            "p50 {:.2} ms, p99 {:.2} ms",
            self.within(50),
            self.within(99)
        )
    }
}

impl Extend<Times> for Times {
    fn extend<T: IntoIterator<Item = Times>>(&mut self, all: T) {
        self.0.extend(all.into_iter().flat_map(|times| times.0));
    }
}

/// Prints one figure.
pub fn row(what: &str, figure: &str) {
    println!("{what:<58} {figure}");
}

/// How many times as much the one is.
#[must_use]
pub fn ratio(one: f64, other: f64) -> String {
    format!("{:.1} ×", one / other.max(f64::MIN_POSITIVE))
}

/// The memory that a process holds, in megabytes.
///
/// # Errors
/// There is no such process.
pub fn rss(pid: u32) -> Result<f64> {
    memory(pid, "VmRSS:")
}

/// The most that it has held at a time.
///
/// # Errors
/// There is no such process.
pub fn peak(pid: u32) -> Result<f64> {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, which: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.context("read what a process holds")?;
    let line = status.lines().find_map(|l| l.strip_prefix(which));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kilobytes.with_context(|| format!("found no {which}"))? / 1024.0)
}

/// How long this folder's disk takes to keep 4 KB.
///
/// # Errors
/// The folder cannot be written to.
pub fn fsync(folder: &Path) -> Result<Times> {
    let path = folder.join("floor");
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut times = Times::default();
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.since(begun);
    }
    Ok(times)
}
