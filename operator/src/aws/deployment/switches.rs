//! What calls the functions though nothing happens: the rule of the sweep, and the pollers of the stream and the queue.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_eventbridge::types::RuleState;
use futures::future::try_join_all;

use super::{Deployment, step::Switch};

/// The state of an event source mapping.
///
/// Source: the Lambda API, `State` of `GetEventSourceMapping`.
fn of_state(state: &str) -> Switch {
    match state {
        "Enabled" => Switch::On,
        "Disabled" => Switch::Off,
        _ => Switch::Turning,
    }
}

impl Deployment {
    pub(super) async fn sweep(&self) -> Result<Switch> {
        let rule = &self.names.sweep_rule;
        let told = self.events.describe_rule().name(rule).send().await;
        let told = told.map_err(|e| {
            self.failed(
                &e,
                (&format!("read the rule {rule}"), "events:DescribeRule"),
            )
        })?;
        Ok(match told.state {
            Some(RuleState::Disabled) => Switch::Off,
            _ => Switch::On,
        })
    }

    pub(super) async fn sources(&self) -> Result<BTreeMap<String, Switch>> {
        let all = self.names.sources.iter();
        let asked = all.map(|(name, id)| async move {
            let told = self.lambda.get_event_source_mapping().uuid(id).send().await;
            let told = told.map_err(|e| {
                let what = format!("read the event source {name}, {id}");
                self.failed(&e, (&what, "lambda:GetEventSourceMapping"))
            })?;
            anyhow::Ok((
                name.clone(),
                of_state(told.state.as_deref().unwrap_or_default()),
            ))
        });
        Ok(try_join_all(asked).await?.into_iter().collect())
    }

    /// Has the rule and the pollers call, or call no more.
    pub(super) async fn turn(&self, on: bool) -> Result<()> {
        for (name, id) in &self.names.sources {
            let call = self.lambda.update_event_source_mapping().uuid(id);
            let Err(e) = call.enabled(on).send().await else {
                continue;
            };
            // It is being switched: the next look sees to what.
            if e.as_service_error()
                .is_none_or(|e| !e.is_resource_in_use_exception())
            {
                let what = format!("switched the event source {name}, {id}");
                return Err(self.failed(&e, (&what, "lambda:UpdateEventSourceMapping")));
            }
        }
        let rule = &self.names.sweep_rule;
        let what = format!("switched the rule {rule}");
        if on {
            let told = self.events.enable_rule().name(rule).send().await;
            told.map_err(|e| self.failed(&e, (&what, "events:EnableRule")))?;
        } else {
            let told = self.events.disable_rule().name(rule).send().await;
            told.map_err(|e| self.failed(&e, (&what, "events:DisableRule")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_that_is_neither_on_nor_off_is_being_switched() {
        assert_eq!(of_state("Enabled"), Switch::On);
        assert_eq!(of_state("Disabled"), Switch::Off);
        for state in [
            "Creating",
            "Enabling",
            "Disabling",
            "Updating",
            "Deleting",
            "",
        ] {
            assert_eq!(of_state(state), Switch::Turning, "{state}");
        }
    }
}
