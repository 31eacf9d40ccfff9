//! A deployment of the functions of Lambda, as whoever runs it sees and pauses it, with rights of their own. Begins no job
//! and ends none: that is the functions' to do.
//!
//! | file | what it is |
//! |---|---|
//! | `names` | what its parts are called |
//! | `step` | what is done next to pause it, or to have it go on |
//! | `switches` | what calls the functions though nothing happens |

pub mod names;
pub mod step;
mod switches;

use std::{error::Error, sync::Arc};

use anyhow::{Context, Result, anyhow};
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use jiff::Timestamp;
use sandbox_elf::store::dynamodb::DynamoSettings;

use self::{
    names::Names,
    step::{Seen, Step},
};
use super::{AwsWay, Fault, fault};
use crate::store::dynamodb::DynamoStore;

/// The message of the queue of wakes that has every job looked at.
pub const EVERYTHING: &str = r#"{"everything":true}"#;

/// A deployment that can be asked.
pub struct Deployment {
    names: Names,
    region: String,
    store: Arc<DynamoStore>,
    ecs: aws_sdk_ecs::Client,
    events: aws_sdk_eventbridge::Client,
    lambda: aws_sdk_lambda::Client,
    queue: aws_sdk_sqs::Client,
}

impl Deployment {
    /// The one of these names.
    ///
    /// # Errors
    /// There is no region, or no such table in it; the text says what to do.
    pub async fn open(names: Names) -> Result<Self> {
        let way = AwsWay {
            region: names.region.clone(),
            ..AwsWay::default()
        };
        let aws = way.load().await.map_err(anyhow::Error::msg)?;
        let region = aws.region().map(ToString::to_string).unwrap_or_default();
        let settings = DynamoSettings {
            region: Some(region.clone()),
            // Nothing of a job is read that could stand there.
            ..DynamoSettings::new(&names.table, "memory:")
        };
        let store = Box::pin(DynamoStore::open(&settings)).await;
        let store = store.with_context(|| {
            format!(
                "looked for the deployment's table {} in {region}; is that its region (`terraform output region`), and are your credentials of its account?",
                names.table
            )
        })?;
        Ok(Self {
            ecs: aws_sdk_ecs::Client::new(&aws),
            events: aws_sdk_eventbridge::Client::new(&aws),
            lambda: aws_sdk_lambda::Client::new(&aws),
            queue: aws_sdk_sqs::Client::new(&aws),
            names,
            region,
            store,
        })
    }

    /// What its parts are called.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// What there is of it now.
    ///
    /// # Errors
    /// Something cannot be asked; the text says what is missing.
    pub async fn look(&self) -> Result<Seen> {
        let standing = async { anyhow::Ok(self.store.standing().await?) };
        let agenda = async { anyhow::Ok(self.store.agenda(Timestamp::now()).await?) };
        let (standing, agenda) = futures::try_join!(standing, agenda)?;
        // After who is at work: a task that is begun meanwhile is one of a job that was seen.
        let (tasks, sweep, sources) =
            futures::try_join!(self.tasks(), self.sweep(), self.sources())?;
        Ok(Seen {
            mark: standing.mark,
            in_force: standing.in_force,
            told: standing.told,
            at_work: standing.at_work,
            queued: agenda.line.len(),
            tasks,
            sweep,
            sources,
        })
    }

    /// Does one step.
    ///
    /// # Errors
    /// It was not done; the text says what is missing.
    pub async fn take(&self, step: Step) -> Result<()> {
        match step {
            Step::Mark(how) => {
                self.store.pause(how, Timestamp::now()).await?;
            }
            Step::Unmark => self.store.go_on().await?,
            Step::Call => self.call().await?,
            Step::TurnOn => self.turn(true).await?,
            Step::TurnOff => self.turn(false).await?,
            Step::Wait | Step::Done => {}
        }
        Ok(())
    }

    /// The tasks that run in the cluster.
    async fn tasks(&self) -> Result<Vec<String>> {
        let cluster = &self.names.cluster;
        let pages = self.ecs.list_tasks().cluster(cluster).into_paginator();
        let all: Result<Vec<String>, _> = pages.items().send().collect().await;
        all.map_err(|e| {
            let what = format!("listed the tasks of the cluster {cluster}");
            self.failed(&e, (&what, "ecs:ListTasks"))
        })
    }

    async fn call(&self) -> Result<()> {
        let call = self.queue.send_message().queue_url(&self.names.wakes);
        let sent = call.message_body(EVERYTHING).send().await;
        sent.map_err(|e| {
            let what = format!("called for all jobs by the queue {}", self.names.wakes);
            self.failed(&e, (&what, "sqs:SendMessage"))
        })?;
        Ok(())
    }

    /// A call that did not succeed, with what to do.
    fn failed<E>(&self, error: &SdkError<E>, (what, action): (&str, &str)) -> anyhow::Error
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let region = &self.region;
        match fault(error) {
            Fault::Refused { code, words } if code.starts_with("AccessDenied") => {
                anyhow!("{what}: your rights lack {action}: {words}")
            }
            Fault::Refused { code, words }
                if code.contains("NotFound") || code.contains("NonExistent") =>
            {
                anyhow!(
                    "{what}: there is none in {region}; is that the deployment's region, and are these its outputs? {words}"
                )
            }
            Fault::Refused { code, words } => anyhow!("{what}: {code}: {words}"),
            Fault::Throttled(why) | Fault::Credentials(why) | Fault::Unknown(why) => {
                anyhow!("{what}: {why}")
            }
        }
    }
}
