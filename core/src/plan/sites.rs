//! Several sites on one store. What runs at a site is seen only from there, so an attempt is left to the
//! site that began it; before it begins, and between attempts, a job is anybody's.

use std::collections::BTreeSet;

use super::{Plan, Reason, View, stop};
use crate::{
    job::AgentJob,
    outcome::{Failure, FailureClass},
    spec::BackendName,
    status::{AgentJobStatus, StopReason},
};

/// What the queued reason of a job begins with whose site is away.
const AWAY: &str = "nothing is heard of its site ";

/// The sites of a store, as one of them knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites {
    /// This one; absent where the store is nobody else's.
    pub own: Option<String>,
    /// What is offered here, where there are others that may offer more.
    pub offers: BTreeSet<BackendName>,
    /// Those of which nothing is heard.
    pub away: BTreeSet<String>,
    /// Those that are gone for good with all that ran there: a person has said so.
    pub gone: BTreeSet<String>,
}

impl Sites {
    /// The site to which this job is left, where that is another.
    #[must_use]
    pub fn elsewhere(&self, job: &AgentJob) -> Option<String> {
        let status = job.status();
        let site = status.backend_ref.as_ref()?.site.clone()?;
        let begun = status.intent.is_some() || status.unrecorded.is_some() || status.is_finished();
        let theirs = self.own.as_ref() != Some(&site) && !self.gone.contains(&site);
        (begun && theirs).then_some(site)
    }

    /// Whether a job for this back end can begin here.
    #[must_use]
    pub fn offer(&self, backend: BackendName) -> bool {
        self.own.is_none() || self.offers.contains(&backend)
    }

    /// What the slots of this back end are called: each site has its own, and all have one line.
    #[must_use]
    pub fn pool(&self, backend: BackendName) -> String {
        let line = format!("slots/{}", backend.word());
        match &self.own {
            Some(site) => format!("{line}@{site}"),
            None => line,
        }
    }
}

/// Leaves a job to its site, and tells people when nothing is heard of that one, or again.
pub(super) fn plan(view: &View) -> Option<Plan> {
    let sites = &view.limits.sites;
    let told = view.status.queued_reason.as_deref();
    let told = told.is_some_and(|text| text.starts_with(AWAY));
    let Some(site) = sites.elsewhere(view.job) else {
        return lost(view).or_else(|| told.then(|| heard(view)));
    };
    if view.status.is_over() {
        return Some(Plan::wait(Reason::Finished, None));
    }
    if told || !sites.away.contains(&site) {
        return Some(Plan::wait(Reason::Elsewhere { site }, None));
    }
    let text = format!(
        "{AWAY}{site}: what runs there goes on, and is seen to when that data folder is served again"
    );
    Some(tell(view, Some(text.clone()), ("SiteAway", text)))
}

/// An attempt whose site is gone ends here: nothing of it is seen, and nothing comes any more.
fn lost(view: &View) -> Option<Plan> {
    let site = site(view).filter(|site| view.limits.sites.gone.contains(*site))?;
    let under_way = view.status.intent.is_some() && view.status.stop.is_none();
    let text = format!("its site {site} is gone for good");
    let failure = Failure::new(FailureClass::Infrastructure, text);
    under_way.then(|| stop::decide_failed(view, StopReason::Lost, failure))
}

fn heard(view: &View) -> Plan {
    let site = site(view).unwrap_or_default();
    tell(view, None, ("SiteBack", format!("site {site} is back")))
}

fn site<'a>(view: &View<'a>) -> Option<&'a str> {
    let begun_by = view.status.backend_ref.as_ref();
    begun_by.and_then(|r| r.site.as_deref())
}

fn tell(view: &View, reason: Option<String>, event: (&str, String)) -> Plan {
    let status = AgentJobStatus {
        queued_reason: reason,
        ..view.status.clone()
    };
    view.save(status, Some(event)).plan()
}
