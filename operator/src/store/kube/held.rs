//! One look past the watch: which jobs hold something now, of the API server itself. Memory may lag behind what another
//! process wrote last, and who counts slots by it would give away one that is taken.

use futures::FutureExt;
use kube::{Api, api::ListParams};
use sandbox_core::{
    AgentJob,
    port::{Answer, PortError},
};

use super::{
    errors::within,
    object,
    objects::{Objects, Scope, Seen},
};

/// Those with an attempt under way: who has none holds nothing.
const AT_WORK: &str = "status.intent.backend!=";
/// Objects in an answer.
const PAGE: u32 = 500;

impl Objects {
    /// Takes in every job that holds something, as it stands at this moment or later: no version is asked for, so the
    /// answer lags behind nothing that was written before. Of two versions the newer one stays in memory, as always.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn take_in_held(&self) -> Answer<()> {
        for api in self.apis() {
            match self.take_in(&api, AT_WORK).await {
                Err(PortError::Refused(why)) => {
                    tracing::warn!(error = %why.message, "cannot ask for the jobs at work alone; asking for all: are the definitions of this release applied?");
                    self.take_in(&api, "").await?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    async fn take_in(&self, api: &Api<AgentJob>, which: &str) -> Answer<()> {
        let mut asked = ListParams::default().fields(which).limit(PAGE);
        let mut newer = 0;
        loop {
            let page = api.list(&asked).boxed();
            let page = within("listed the jobs at work", page).await?;
            let found = page.items.into_iter().map(object::view);
            newer += found.filter(|job| self.hear(job) == Seen::Newer).count();
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => asked = asked.continue_token(&token),
                None => break,
            }
        }
        tracing::debug!(newer, "read the jobs at work past the watch");
        Ok(())
    }

    /// A way to the objects of each part of the scope.
    pub(super) fn apis(&self) -> Vec<Api<AgentJob>> {
        match &self.scope {
            Scope::All => vec![Api::all(self.client.clone())],
            Scope::Namespaces(all) => all.iter().map(|n| self.api(n)).collect(),
        }
    }
}
