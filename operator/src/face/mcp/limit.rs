//! Tools that answer nobody more often than is bearable. What is too much is an answer that says when to
//! come again.

use std::sync::Arc;

use async_trait::async_trait;
use sandbox_elf::tools::{self, Answer, Ask, Asker, Failed};

use super::Tools;
use crate::face::rate::{Bounds, TooOften};

/// Tools within bounds.
pub struct Limited {
    tools: Arc<dyn Tools>,
    bounds: Arc<Bounds>,
}

impl Limited {
    /// These tools within these bounds.
    #[must_use]
    pub fn new(tools: Arc<dyn Tools>, bounds: Arc<Bounds>) -> Self {
        Self { tools, bounds }
    }

    fn pass(&self, asker: &Asker, ask: &Ask) -> Result<(), TooOften> {
        self.bounds.ask(&asker.tenant)?;
        if writes(ask) {
            self.bounds.write(&asker.tenant, asker.seat.as_ref())?;
        }
        Ok(())
    }
}

fn writes(ask: &Ask) -> bool {
    let tool = match ask {
        Ask::Call { tool, .. } => tools::find(tool),
        Ask::Read { .. } => None,
    };
    tool.is_some_and(|tool| !tool.reads)
}

#[async_trait]
impl Tools for Limited {
    async fn answer(&self, asker: &Asker, ask: &Ask) -> Answer {
        match self.pass(asker, ask) {
            Ok(()) => self.tools.answer(asker, ask).await,
            Err(too_often) => Answer::failed(Failed::TooMany, too_often.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use sandbox_core::{Seat, Tenant, Uid};
    use sandbox_elf::{Elf, store::memory::MemoryLedger};
    use serde_json::{Value, json};

    use super::*;
    use crate::face::rate::{Rate, Rates};

    fn asker(attempt: u32) -> Asker {
        let uid: Uid = "018f3b1c-0000-7000-8000-000000000001".parse().unwrap();
        Asker {
            tenant: Tenant::default_tenant(),
            seat: Some(Seat::new(uid, attempt)),
        }
    }

    fn call(tool: &str, arguments: &Value) -> Ask {
        Ask::Call {
            tool: tool.to_owned(),
            arguments: arguments.as_object().unwrap().clone(),
        }
    }

    #[tokio::test]
    async fn a_job_that_writes_too_often_is_told_so_and_still_reads_and_others_write() {
        let rates = Rates {
            seat_writes: Rate::new(1, 2),
            ..Rates::default()
        };
        let elf = Elf::new(Arc::new(MemoryLedger::default()));
        let tools = Limited::new(Arc::new(elf), Arc::new(Bounds::new(rates)));
        let mut kept = 0;
        let mut refused = None;
        while refused.is_none() {
            let rule = json!({"domain": "db", "rule": format!("Say number {kept} of many")});
            match tools
                .answer(&asker(1), &call("elf_record_heuristic", &rule))
                .await
            {
                Answer::Done { .. } => kept += 1,
                Answer::Failed { kind, text } => refused = Some((kind, text)),
            }
        }
        let (kind, text) = refused.unwrap();
        assert!(
            kind == Failed::TooMany && text.contains("2 at once"),
            "{text}"
        );
        let stats = tools
            .answer(&asker(1), &call("elf_stats", &json!({})))
            .await;
        let Answer::Done { structured, .. } = stats else {
            panic!("a reader was refused: {stats:?}");
        };
        assert_eq!(structured["total_heuristics"], kept);
        let rule = json!({"domain": "db", "rule": "Another job says this"});
        let other = tools
            .answer(&asker(2), &call("elf_record_heuristic", &rule))
            .await;
        assert!(matches!(other, Answer::Done { .. }), "{other:?}");
    }
}
