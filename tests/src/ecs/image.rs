//! A task as a container of a real engine: of the user, with the capabilities and the memory that the deployment's task
//! definition and the launch give it, but on the network of this machine, where the tests' servers are.

use std::path::PathBuf;

use tokio::process::Command;

use super::{
    run::Launched,
    state::{Task, id_of},
};
use crate::engine::Engine;

/// What containers are made of.
#[derive(Clone)]
pub struct Image {
    /// Whose they are.
    pub engine: &'static Engine,
    /// The image.
    pub tag: String,
    /// Files of this machine that can be read there under the same path.
    pub files: Vec<PathBuf>,
}

impl Image {
    pub(super) fn command(&self, task: &Task, launched: &Launched) -> Command {
        let mut command = Command::from(self.engine.command("docker"));
        let usual = "run --rm --network host --user 10001:10001 --cap-drop ALL --name";
        command.args(usual.split(' ')).arg(id_of(&task.arn));
        if let Some(memory) = task.request["overrides"]["memory"].as_str() {
            command.arg(format!("--memory={memory}m"));
        }
        for file in &self.files {
            let file = file.display();
            command.arg(format!("--volume={file}:{file}:ro"));
        }
        for (name, value) in &launched.variables {
            command.arg("--env").arg(name).env(name, value);
        }
        command.arg(&self.tag).args(&launched.words);
        command
    }

    pub(super) fn kill(&self, id: &str) {
        // One that is over by now needs no more.
        let _ = self.engine.docker(&["kill", id]);
    }
}
