//! One container per seat, under a name that only this seat has: made once, adopted when it is ours,
//! refused when it is a stranger's.

use bollard::query_parameters::CreateContainerOptionsBuilder;
use sandbox_core::{
    Brief, FailureClass,
    port::{Answer, PortError},
    spec::Network,
};

use super::{
    ContainerBackend,
    create::{self, Parts},
    engine::{Trouble, is_so_already},
    images::Exact,
    look::Found,
    network,
};

/// How often a name is looked at that is taken and shows nothing: its container is just being made
/// or removed.
const LOOKS: u32 = 20;

impl ContainerBackend {
    /// Makes and starts the seat's container, or finds that it was begun before.
    pub(super) async fn begin(&self, brief: &Brief) -> Answer<()> {
        let asked = create::asked(brief);
        let name = asked.image.as_deref().unwrap_or(&self.conf.image);
        if !self.conf.allows(name) {
            let text = format!("use image {name}: {}", super::NOT_ALLOWED);
            return Err(PortError::refused(FailureClass::InvalidSpec, text));
        }
        let image = self.images.exact(name, &brief.seat).await?;
        let what = format!("start the container of seat {}", brief.seat);
        if asked.network == Network::Full {
            let up = self.bridge.up(&self.engine, &self.owner).await;
            up.map_err(|e| e.definite("make the network of containers"))?;
        }
        let made = self.make(brief, &image).await;
        if let Some(answer) = made.map_err(|e| e.definite(&what))? {
            return answer;
        }
        let started = self.start(&create::name(&brief.seat)).await;
        started.map_err(|e| not_started(&what, name, &e))
    }

    /// Makes the container; gives an answer where nothing is left to be started.
    async fn make(&self, brief: &Brief, image: &Exact) -> Result<Option<Answer<()>>, Trouble> {
        let docker = self.engine.client().await?;
        let network = network::name(&self.owner);
        let places = self.places().await?;
        let parts = Parts {
            owner: &self.owner,
            image: &image.id,
            shown: &image.shown,
            network: &network,
            machine: self.machine,
            podman: self.engine.is_podman().await?,
            places,
        };
        let name = create::name(&brief.seat);
        let mut trouble = Trouble::Conflict(String::new());
        for _ in 0..LOOKS {
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            let body = create::body(&self.conf, brief, &parts);
            match docker.create_container(Some(options), body).await {
                Ok(_) => return Ok(None),
                Err(e) => trouble = e.into(),
            }
            if !matches!(trouble, Trouble::Conflict(_)) {
                return Err(trouble);
            }
            if let Some(found) = Found::of(&self.engine, &brief.seat).await? {
                return Ok(self.adopt(brief, &found, &name));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(Trouble::Lost(trouble.to_string()))
    }

    /// A container of the seat's name is ours when it carries our labels.
    fn adopt(&self, brief: &Brief, found: &Found, name: &str) -> Option<Answer<()>> {
        if !found.is_ours(&self.owner, &brief.seat) {
            let text = format!(
                "start the container of seat {}: a container {name} is there and is not ours; \
                 remove it with `docker rm -f {name}`",
                brief.seat
            );
            return Some(Err(PortError::refused(FailureClass::Infrastructure, text)));
        }
        (!found.is_only_made()).then_some(Ok(()))
    }

    async fn start(&self, name: &str) -> Result<(), Trouble> {
        match self
            .engine
            .client()
            .await?
            .start_container(name, None)
            .await
        {
            Err(e) if is_so_already(&e) => Ok(()),
            started => Ok(started?),
        }
    }
}

/// An image that has no `tini` or no `sandbox` is not one of ours.
fn not_started(what: &str, image: &str, trouble: &Trouble) -> PortError {
    let text = trouble.to_string();
    if text.contains("executable file not found") {
        let text = format!(
            "{what}: image {image} is no runner's image: {text}; build one as \
             images/runner/Dockerfile does"
        );
        return PortError::refused(FailureClass::InvalidSpec, text);
    }
    match trouble {
        Trouble::NotFound(_) => PortError::Unknown(format!("{what}: {text}")),
        other => other.clone().definite(what),
    }
}
