//! Which rules belong to a file, a folder, a domain or a project, which people pinned, and which must always hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
    ops::Bound,
    sync::Arc,
};

use rustc_hash::FxHashMap;

use crate::{
    kind::RuleKind,
    rule::{Rule, RuleStatus},
    rules::Rules,
};

/// Rules by where they belong, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Places {
    files: BTreeMap<Arc<str>, Vec<u64>>,
    domains: FxHashMap<String, Vec<u64>>,
    projects: FxHashMap<String, Vec<u64>>,
    pinned: BTreeSet<u64>,
    invariants: FxHashMap<Option<String>, Vec<u64>>,
    /// The files of each rule.
    known: FxHashMap<u64, Vec<Arc<str>>>,
}

impl Places {
    /// Where these rules belong, oldest first. Of many rules most files are known: they are looked up by their hash, and
    /// put in order when all are there.
    pub(super) fn of(rules: &Rules) -> Self {
        let mut places = Self::default();
        places.known.reserve(rules.len());
        let mut files: FxHashMap<&str, (Arc<str>, Vec<u64>)> = FxHashMap::default();
        for rule in rules.values() {
            places.pin(rule);
            places.belongs(rule);
            let names = rule.files.iter().map(|file| {
                let known = files.entry(file);
                let (name, numbers) = known.or_insert_with(|| (file.as_str().into(), Vec::new()));
                numbers.push(rule.number);
                Arc::clone(name)
            });
            places.known.insert(rule.number, names.collect());
        }
        places.files = files.into_values().collect();
        places
    }

    /// Takes a rule up, or what is new of it. Whether it was not known.
    pub(super) fn take(&mut self, rule: &Rule) -> bool {
        self.pin(rule);
        let is_new = self.moved(rule.number, &rule.files);
        if is_new {
            self.belongs(rule);
        }
        is_new
    }

    fn pin(&mut self, rule: &Rule) {
        if rule.status == RuleStatus::Pinned {
            self.pinned.insert(rule.number);
        } else {
            self.pinned.remove(&rule.number);
        }
    }

    /// Notes what never changes of a rule.
    fn belongs(&mut self, rule: &Rule) {
        push(&mut self.domains, &rule.domain, rule.number);
        if rule.kind == RuleKind::Invariant {
            push(&mut self.invariants, &rule.project, rule.number);
        }
        if let Some(project) = &rule.project {
            push(&mut self.projects, project, rule.number);
        }
    }

    /// Notes the files of a rule in place of those it had. Whether it had none before.
    fn moved(&mut self, number: u64, to: &[String]) -> bool {
        let before = self.known.remove(&number);
        let is_new = before.is_none();
        let before = before.unwrap_or_default();
        let stays = |file: &Arc<str>| to.iter().any(|other| **other == **file);
        for file in before.iter().filter(|file| !stays(file)) {
            if let Some(rules) = self.files.get_mut(file) {
                rules.retain(|rule| *rule != number);
            }
        }
        let was_there = |file: &String| before.iter().find(|other| ***other == **file).cloned();
        let now = to.iter().map(|file| {
            let stays = was_there(file);
            stays.unwrap_or_else(|| at(&mut self.files, file, number))
        });
        let now = now.collect();
        self.known.insert(number, now);
        is_new
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
                ***path != *file && !known.is_some_and(|known| path.starts_with(known))
            })
        });
        let all = own.into_iter().chain(beside);
        all.map(|(path, rules)| (&**path, rules.as_slice()))
            .filter(|(_, rules)| !rules.is_empty())
    }
}

/// Notes a rule at a file; gives the file as it is kept.
fn at(files: &mut BTreeMap<Arc<str>, Vec<u64>>, file: &str, number: u64) -> Arc<str> {
    let only = (Bound::Included(file), Bound::Included(file));
    if let Some((known, rules)) = files.range_mut::<str, _>(only).next() {
        rules.push(number);
        return Arc::clone(known);
    }
    let file: Arc<str> = file.into();
    files.insert(Arc::clone(&file), vec![number]);
    file
}

fn push<K: Clone + Eq + Hash>(all: &mut FxHashMap<K, Vec<u64>>, key: &K, number: u64) {
    match all.get_mut(key) {
        Some(rules) => rules.push(number),
        None => drop(all.insert(key.clone(), vec![number])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(files: &[&str]) -> Places {
        let numbered = (1..).zip(files);
        Places {
            files: numbered.map(|(n, f)| ((*f).into(), vec![n])).collect(),
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
