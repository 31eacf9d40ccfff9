//! What commits a repository has between two points, and what they changed. Reads only.

use super::{repo::Repo, trouble::GitError};

/// The most commits that are listed.
const MOST_COMMITS: usize = 500;

/// A commit, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its full name.
    pub sha: String,
    /// The first line of its message.
    pub subject: String,
}

/// What commits changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Each file with the lines added to it and removed from it.
    pub files: Vec<Change>,
}

/// One changed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its path in the repository.
    pub path: String,
    /// Lines added; none counted for a binary file.
    pub insertions: u64,
    /// Lines removed.
    pub deletions: u64,
}

impl Repo {
    /// The commits that `to` has and `from` has not, oldest first; at most the newest 500.
    ///
    /// # Errors
    /// Git cannot look.
    pub async fn commits(&self, from: &str, to: &str) -> Result<Vec<Commit>, GitError> {
        let (most, range) = (format!("-n{MOST_COMMITS}"), format!("{from}..{to}"));
        let call = self.call("list commits");
        let words = [
            "log",
            "--reverse",
            "--no-show-signature",
            "--format=%H %s",
            &most,
            &range,
            "--",
        ];
        let text = call.args(words).text().await?;
        let lines = text.lines().filter_map(|l| l.split_once(' '));
        Ok(lines
            .map(|(sha, subject)| Commit {
                sha: sha.to_owned(),
                subject: subject.to_owned(),
            })
            .collect())
    }

    /// What changed between two commits.
    ///
    /// # Errors
    /// Git cannot look.
    pub async fn stat(&self, from: &str, to: &str) -> Result<Stat, GitError> {
        let call = self.call("compare commits");
        let words = [
            "diff",
            "--numstat",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            from,
            to,
            "--",
        ];
        Ok(Stat::parse(&call.args(words).text().await?))
    }
}

impl Stat {
    /// Records of `--numstat -z`: added, removed, path; a `-` for what has no lines.
    fn parse(text: &str) -> Self {
        let record = |r: &str| {
            let mut fields = r.splitn(3, '\t');
            let (added, removed) = (fields.next()?, fields.next()?);
            Some(Change {
                path: fields.next()?.to_owned(),
                insertions: added.trim().parse().unwrap_or_default(),
                deletions: removed.parse().unwrap_or_default(),
            })
        };
        Self {
            files: text.split('\0').filter_map(record).collect(),
        }
    }

    /// Lines added and removed in all files.
    pub fn lines(&self) -> (u64, u64) {
        let add = |sum: (u64, u64), f: &Change| (sum.0 + f.insertions, sum.1 + f.deletions);
        self.files.iter().fold((0, 0), add)
    }
}
