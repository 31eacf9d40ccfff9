//! `analytics`: shows a model files of a repository, asks once, and writes what it answers.
//!
//! It reads only beneath `<tenant's root>/<repo>` and writes only beneath
//! `<repo>/_agent_output/<job id>` and among the job's artifacts: the model chooses names, never places. An answer that is not
//! what was agreed is refused before anything is written.

mod blocks;
mod prompt;

use std::{fmt, fs};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    Brief, Failure, FailureClass,
    port::RecallQuery,
    spec::{AnalyticsSpec, domain, project},
};
use serde_json::{Value, json};

use super::{
    Done, Kind, Work,
    ask::{ask, usage},
    echo::naive,
    lessons::{learned, with_lessons},
};
use crate::{
    model::{Answer, Ask},
    place::{Folder, PlaceError, Relative},
};
use blocks::Block;
use prompt::Shown;

/// The folder in the repository that holds what jobs wrote.
const OUTPUT: &str = "_agent_output";
/// The file that holds the whole answer.
const ANALYSIS: &str = "analysis.md";
/// Most files of the repository that are listed.
const MAX_LISTED: usize = 50;
/// Largest file that is shown, and the most of all of them, in bytes.
const MAX_FILE: u64 = 256 * 1024;
const MAX_FILES: u64 = 512 * 1024;
/// Characters of the answer that the result shows.
const PREVIEW: usize = 500;

/// The job type.
pub(super) struct Analytics;

#[async_trait]
impl Kind for Analytics {
    fn recall(&self, brief: &Brief) -> Option<RecallQuery> {
        let spec = brief.spec.analytics.as_ref()?;
        Some(RecallQuery {
            text: spec.task.clone(),
            domain: domain(&brief.spec),
            project: project(&brief.spec),
            files: spec.files_to_read.clone(),
            max_tokens: None,
        })
    }

    async fn run(&self, work: &Work) -> Result<Done, Failure> {
        let spec = spec(work)?;
        let repo = Repo::open(work, spec)?;
        let shown = repo.read(&spec.files_to_read)?;
        let question = Ask {
            model: &spec.model,
            system: &with_lessons(prompt::SYSTEM, &work.lessons),
            prompt: &prompt::prompt(&spec.task, &repo.folder.files(MAX_LISTED), &shown),
            max_tokens: spec.max_tokens,
        };
        let answer = ask(work, &question).await?;
        let (written, failure) = match blocks::parse(&answer.text) {
            Ok(blocks) => (repo.write(work, &blocks, &answer.text)?, None),
            Err(text) => (Vec::new(), Some(rejected(&text, &answer))),
        };
        Ok(Done {
            result: repo.result(work, &answer, (&shown, &written)),
            // What was read is what the job was about; what it wrote no other job will see again.
            files: shown.into_iter().map(|s| s.path).collect(),
            lessons: learned(&answer.text),
            failure,
            ..Done::default()
        })
    }
}

/// The repository of a job.
struct Repo<'a> {
    spec: &'a AnalyticsSpec,
    folder: Folder,
    name: Relative,
    output: String,
}

impl<'a> Repo<'a> {
    fn open(work: &Work, spec: &'a AnalyticsSpec) -> Result<Self, Failure> {
        let name: Relative = spec.repo.parse().map_err(|e| refused("repo", &e))?;
        let folder = work
            .root()?
            .folder(&name)
            .map_err(|e| refused("repo", &e))?;
        let output = format!("{OUTPUT}/{}", work.brief.seat.uid);
        Ok(Self {
            spec,
            folder,
            name,
            output,
        })
    }

    /// Reads the files to show; all of them or none.
    fn read(&self, paths: &[String]) -> Result<Vec<Shown>, Failure> {
        let mut shown = Vec::new();
        let mut left = MAX_FILES;
        for path in paths {
            let file = self
                .show(path, left)
                .map_err(|e| refused("files_to_read", &e))?;
            left = left.saturating_sub(file.text.len() as u64);
            shown.push(file);
        }
        Ok(shown)
    }

    fn show(&self, path: &str, left: u64) -> Result<Shown, PlaceError> {
        let path: Relative = path.parse()?;
        let bytes = self.folder.read(&path, MAX_FILE.min(left))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| PlaceError::Missing(path.to_string(), "text file in UTF-8"))?;
        Ok(Shown {
            path: path.to_string(),
            text,
        })
    }

    /// Writes the blocks and the whole answer beside the repository, and to the job's artifacts, which outlast a place that
    /// ends with its attempt; gives their names.
    fn write(&self, work: &Work, blocks: &[Block], answer: &str) -> Result<Vec<String>, Failure> {
        let beside = self.output.parse().and_then(|path| self.folder.make(&path));
        let beside = beside.map_err(|e| unwritten(&e))?;
        let kept = work.artifacts();
        let kept = fs::create_dir_all(&kept).and_then(|()| Folder::open(&kept));
        let kept = kept.map_err(|e| unwritten(&e))?;
        for folder in [&beside, &kept] {
            fill(folder, blocks, answer).map_err(|e| unwritten(&e))?;
        }
        let names = blocks.iter().map(|b| b.path.to_string());
        Ok(names.chain([ANALYSIS.to_owned()]).collect())
    }

    fn result(&self, work: &Work, answer: &Answer, files: (&[Shown], &[String])) -> Value {
        let read: Vec<&str> = files.0.iter().map(|s| s.path.as_str()).collect();
        json!({
            "task": self.spec.task,
            "repo": self.spec.repo,
            "files_read": read,
            "files_written": files.1,
            "output_dir": format!("{}/{}", self.name, self.output),
            "response_preview": answer.text.chars().take(PREVIEW).collect::<String>(),
            "model": answer.model,
            "usage": usage(&answer.usage),
            "cost_usd": answer.usage.usd,
            "processed_by": work.worker,
            "processed_at": naive(Timestamp::now()),
        })
    }
}

fn fill(folder: &Folder, blocks: &[Block], answer: &str) -> Result<(), PlaceError> {
    for block in blocks {
        folder.write(&block.path, block.text.as_bytes())?;
    }
    folder.write(&ANALYSIS.parse()?, answer.as_bytes())
}

fn spec(work: &Work) -> Result<&AnalyticsSpec, Failure> {
    work.brief.spec.analytics.as_ref().ok_or_else(|| {
        let text = "read the brief: spec.analytics is missing; submit the job again";
        Failure::new(FailureClass::InvalidSpec, text)
    })
}

/// A path of the job cannot be used, or the machine cannot read it.
fn refused(field: &str, error: &PlaceError) -> Failure {
    let (class, remedy) = if error.is_of_the_path() {
        let remedy = "name what stands beneath the tenant's folder of the workspace";
        (FailureClass::InvalidSpec, remedy)
    } else {
        (FailureClass::Infrastructure, "look at the workspace")
    };
    Failure::new(class, format!("opened {field}: {error}; {remedy}"))
}

fn unwritten(error: &dyn fmt::Display) -> Failure {
    let text = format!(
        "wrote the answer's files: {error}; look at the disk, at {OUTPUT} and at the artifacts"
    );
    Failure::new(FailureClass::Infrastructure, text)
}

fn rejected(why: &str, answer: &Answer) -> Failure {
    let more = match answer.stop.as_str() {
        "max_tokens" => "; the answer was cut, so raise max_tokens",
        _ => "",
    };
    let text = format!("read the answer's files: {why}; nothing was written{more}");
    Failure::new(FailureClass::OutputRejected, text)
}

#[cfg(test)]
mod tests;
