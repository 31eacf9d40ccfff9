//! What tasks print: read from `CloudWatch` Logs, where the task definition sends it, and kept beside the job's reports
//! when the seat is over, for whoever asks later knows no task any more.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::{Client, operation::get_log_events::GetLogEventsError};
use object_store::ObjectStoreExt;
use sandbox_core::{
    Seat,
    port::{Answer, LogChunk, PortError},
};

use super::{FargateBackend, cache::Known, look::failed};
use crate::{aws::fault, backend::kept, seats::files::log::chunk};

/// Most seats of which it is remembered where a page began.
const MARKS: usize = 1000;
/// Most bytes that are kept of one log.
const LOG_LIMIT: u32 = 64 << 20;

/// Where a page of a log begins that somebody read last: `CloudWatch` counts in tokens and readers in bytes.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<HashMap<Seat, Mark>>);

#[derive(Clone, Debug, Default)]
struct Mark {
    token: Option<String>,
    at: u64,
}

impl Pages {
    fn before(&self, seat: &Seat, from: u64) -> Mark {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks
            .get(seat)
            .filter(|m| m.at <= from)
            .cloned()
            .unwrap_or_default()
    }

    fn mark(&self, seat: &Seat, mark: Mark) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= MARKS {
            marks.clear();
        }
        marks.insert(seat.clone(), mark);
    }

    fn forget(&self, seat: &Seat) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(seat);
    }
}

/// Where tasks print to, and what reads it.
pub(super) struct Printed {
    client: Client,
    /// The log group and the prefix of its streams; nothing is shown without.
    logs: Option<(String, String)>,
    container: String,
    pages: Pages,
}

impl Printed {
    pub(super) fn new(aws: &SdkConfig, logs: Option<(String, String)>, container: String) -> Self {
        Self {
            client: Client::new(aws),
            logs,
            container,
            pages: Pages::default(),
        }
    }

    /// The stream of a task: the prefix, the container and the task's id, as the `awslogs` driver names it.
    pub(super) fn stream_of(&self, arn: &str) -> Option<(String, String)> {
        let (group, prefix) = self.logs.as_ref()?;
        let id = arn.rsplit('/').next()?;
        let stream = format!("{prefix}/{}/{id}", self.container);
        Some((group.clone(), stream))
    }

    pub(super) async fn piece(
        &self,
        seat: &Seat,
        stream: &(String, String),
        (from, limit): (u64, u32),
    ) -> Answer<LogChunk> {
        let bytes = self.read(seat, stream, (from, limit)).await?;
        Ok(chunk(&bytes, from))
    }

    /// What was printed from this byte on.
    async fn read(
        &self,
        seat: &Seat,
        (group, stream): &(String, String),
        (from, limit): (u64, u32),
    ) -> Answer<Vec<u8>> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut mark = self.pages.before(seat, from);
        let mut read = Vec::new();
        loop {
            let request = self.client.get_log_events().log_group_name(group);
            let request = request.log_stream_name(stream).start_from_head(true);
            let page = request.set_next_token(mark.token.clone()).send().await;
            let page = page.map_err(|e| match e.as_service_error() {
                Some(GetLogEventsError::ResourceNotFoundException(_)) => {
                    PortError::NotFound(format!("seat {seat} has no log yet"))
                }
                _ => failed("read a log", fault(&e)),
            })?;
            let lines = page.events().iter().filter_map(|e| e.message());
            let text: String = lines.flat_map(|line| [line, "\n"]).collect();
            let skip = usize::try_from(from.saturating_sub(mark.at)).unwrap_or(usize::MAX);
            read.extend_from_slice(text.as_bytes().get(skip..).unwrap_or_default());
            let next = page.next_forward_token().map(str::to_owned);
            // The same token again is the end, for now; what is read again begins where this page did.
            if read.len() >= most || next == mark.token || next.is_none() {
                self.pages.mark(seat, mark);
                read.truncate(most);
                return Ok(read);
            }
            mark = Mark {
                token: next,
                at: mark.at + text.len() as u64,
            };
        }
    }
}

impl FargateBackend {
    pub(super) async fn read_log(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        let known = self.cache.of_seat(seat).pop().map(Known::arn);
        if let Some(stream) = known.and_then(|arn| self.printed.stream_of(&arn)) {
            return self.printed.piece(seat, &stream, (from, limit)).await;
        }
        let path = (self.conf.log_path)(seat);
        match kept::read(&self.conf.files, &path, (from, limit)).await {
            Err(none @ PortError::NotFound(_)) => {
                // Another process of ours may have started it, and it is at work.
                let there = self.started_by(seat).await.unwrap_or_default();
                let first = there.first();
                match first.and_then(|arn| self.printed.stream_of(arn)) {
                    Some(stream) => self.printed.piece(seat, &stream, (from, limit)).await,
                    None => Err(none),
                }
            }
            said => said,
        }
    }

    /// Keeps what the seat's task printed. A log that cannot be had does not keep the seat.
    pub(super) async fn keep_log(&self, seat: &Seat) {
        let known = self.cache.of_seat(seat).pop().map(Known::arn);
        let Some(stream) = known.and_then(|arn| self.printed.stream_of(&arn)) else {
            return;
        };
        self.printed.pages.forget(seat);
        let kept = async {
            let bytes = self.printed.read(seat, &stream, (0, LOG_LIMIT)).await?;
            let put = self
                .conf
                .files
                .put(&(self.conf.log_path)(seat), bytes.into())
                .await;
            put.map_err(|e| PortError::Unknown(format!("kept it: {e}")))
        };
        match kept.await {
            // It was never begun.
            Ok(_) | Err(PortError::NotFound(_)) => {}
            Err(e) => {
                tracing::warn!(%seat, error = %e, "the log of a task stays in CloudWatch alone");
            }
        }
        self.printed.pages.forget(seat);
    }
}
