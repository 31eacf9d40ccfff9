//! Which rules belong to a file, a folder, a domain or a project, which people pinned, and which must always hold.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use crate::{
    kind::RuleKind,
    rule::{Rule, RuleStatus},
};

/// Rules by where they belong, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Places {
    files: BTreeMap<String, Vec<u64>>,
    domains: HashMap<String, Vec<u64>>,
    projects: HashMap<String, Vec<u64>>,
    pinned: BTreeSet<u64>,
    invariants: HashMap<Option<String>, Vec<u64>>,
    /// The files of each rule.
    known: HashMap<u64, Vec<String>>,
}

impl Places {
    /// Takes a rule up, or what is new of it. Whether it was not known.
    pub(super) fn take(&mut self, rule: &Rule) -> bool {
        let number = rule.number;
        if rule.status == RuleStatus::Pinned {
            self.pinned.insert(number);
        } else {
            self.pinned.remove(&number);
        }
        let before = self.known.insert(number, rule.files.clone());
        let is_new = before.is_none();
        self.moved(number, &before.unwrap_or_default(), &rule.files);
        if is_new {
            let domain = self.domains.entry(rule.domain.clone());
            domain.or_default().push(number);
            if rule.kind == RuleKind::Invariant {
                let project = self.invariants.entry(rule.project.clone());
                project.or_default().push(number);
            }
            if let Some(project) = &rule.project {
                let project = self.projects.entry(project.clone());
                project.or_default().push(number);
            }
        }
        is_new
    }

    fn moved(&mut self, number: u64, from: &[String], to: &[String]) {
        for file in from.iter().filter(|f| !to.contains(f)) {
            if let Some(rules) = self.files.get_mut(file) {
                rules.retain(|rule| *rule != number);
            }
        }
        for file in to.iter().filter(|f| !from.contains(f)) {
            self.files.entry(file.clone()).or_default().push(number);
        }
    }

    /// What people pinned.
    pub fn pinned(&self) -> impl Iterator<Item = u64> {
        self.pinned.iter().copied()
    }

    /// What must always hold in this project, or in all where none is named; oldest first.
    #[must_use]
    pub fn invariants(&self, project: Option<&String>) -> &[u64] {
        let of = |p: Option<&String>| self.invariants.get(&p.cloned());
        of(project).map_or(&[], Vec::as_slice)
    }

    /// Rules of a domain, oldest first.
    #[must_use]
    pub fn domain(&self, domain: &str) -> &[u64] {
        self.domains.get(domain).map_or(&[], Vec::as_slice)
    }

    /// Rules of a project, oldest first.
    #[must_use]
    pub fn project(&self, project: &str) -> &[u64] {
        self.projects.get(project).map_or(&[], Vec::as_slice)
    }

    /// Files at which rules were learned, with the newest of their rules, from this file outwards: the
    /// file itself, then its folder, then the folder above; until there are so many rules.
    #[must_use]
    pub fn around<'a>(&'a self, file: &'a str, most: usize) -> Vec<(&'a str, &'a [u64])> {
        let mut found = Vec::new();
        let mut left = most;
        for (path, rules) in self.outwards(file) {
            let from = rules.len().saturating_sub(left);
            left -= rules.len() - from;
            found.push((path, &rules[from..]));
            if left == 0 {
                break;
            }
        }
        found
    }

    fn outwards<'a>(&'a self, file: &'a str) -> impl Iterator<Item = (&'a str, &'a [u64])> {
        let own = self.files.get_key_value(file);
        let mut inner: Option<&str> = None;
        let folders = file.match_indices('/').map(|(at, _)| &file[..=at]);
        let folders: Vec<&str> = folders.collect();
        let beside = folders.into_iter().rev().flat_map(move |folder| {
            let known = inner.replace(folder);
            let from = (Bound::Included(folder), Bound::Unbounded);
            let all = self.files.range::<str, _>(from);
            let all = all.take_while(move |(path, _)| path.starts_with(folder));
            all.filter(move |(path, _)| {
                *path != file && !known.is_some_and(|known| path.starts_with(known))
            })
        });
        let all = own.into_iter().chain(beside);
        all.map(|(path, rules)| (path.as_str(), rules.as_slice()))
            .filter(|(_, rules)| !rules.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(files: &[&str]) -> Places {
        let numbered = (1..).zip(files);
        Places {
            files: numbered.map(|(n, f)| ((*f).to_owned(), vec![n])).collect(),
            ..Places::default()
        }
    }

    #[test]
    fn a_file_comes_before_its_folder_and_that_before_the_folder_above() {
        let places = places(&[
            "docs/c.md",
            "src/a.rs",
            "src/x/b.rs",
            "src/x/y.rs",
            "srcs/d.rs",
        ]);
        let found = |most| {
            let found = places.around("src/x/b.rs", most);
            found.into_iter().map(|(file, _)| file).collect::<Vec<_>>()
        };
        assert_eq!(found(1), ["src/x/b.rs"]);
        assert_eq!(found(2), ["src/x/b.rs", "src/x/y.rs"]);
        assert_eq!(found(9), ["src/x/b.rs", "src/x/y.rs", "src/a.rs"]);
        assert!(places.around("e.rs", 9).is_empty());
    }
}
