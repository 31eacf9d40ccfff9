//! Commands about one job: describe, cancel, suspend, resume, retry, attach.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use sandbox_operator::backend::{
    container::{engine_host, inside},
    fargate::DATA as TASK,
};
use serde_json::{Value, json};

use super::{
    api::Api,
    shown::{Output, document, out, text},
};
use crate::config::{ServeConfig, ServeFlags};

/// One job.
#[derive(clap::Args)]
pub struct Named {
    /// The job's id or name
    job: String,
    /// How to show it
    #[arg(short, long)]
    output: Option<Output>,
}

impl Named {
    /// Shows everything about the job and what happened to it.
    ///
    /// # Errors
    /// There is no such job, or the server cannot be asked.
    pub async fn describe(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let job = api.get(&format!("/jobs/{id}?view=resource")).await?;
        document(&job, self.output)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Ends the job.
    ///
    /// # Errors
    /// As [`Named::describe`].
    pub async fn cancel(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let job = api
            .post(&format!("/jobs/{id}/cancel"), &json!({}), &[])
            .await?;
        self.tell(&job, "is told to end")
    }

    /// Holds the job back, or lets it go on.
    ///
    /// # Errors
    /// As [`Named::describe`]; also when the job is over.
    pub async fn suspend(self, api: &Api, suspend: bool) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let patch = json!({"spec": {"suspend": suspend}});
        let job = api.patch(&format!("/jobs/{id}"), &patch).await?;
        let what = if suspend {
            "is told to wait until it is resumed"
        } else {
            "is told to go on"
        };
        self.tell(&job, what)
    }

    /// Runs the finished job again.
    ///
    /// # Errors
    /// As [`Named::describe`]; also when the job is not over.
    pub async fn retry(self, api: &Api) -> Result<ExitCode> {
        let id = api.id(&self.job).await?;
        let job = api
            .post(&format!("/jobs/{id}/retry"), &json!({}), &[])
            .await?;
        self.tell(&job, "tries it again")
    }

    fn tell(&self, job: &Value, what: &str) -> Result<ExitCode> {
        match self.output {
            None => out(&format!("job {} {what}", text(&job["job_id"]))),
            some => document(job, some)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The terminal of one job.
#[derive(clap::Args)]
pub struct Attach {
    /// The job's id or name
    job: String,
    /// Look only; keys do nothing
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    serve: ServeFlags,
}

impl Attach {
    /// Opens the terminal: the agents' when the job has any, else the runner's.
    ///
    /// # Errors
    /// The job does not run here, or tmux is missing.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        let job = api.job(&self.job).await?;
        let config = ServeConfig::resolve(&self.serve)?;
        let data_dir = config.data_dir.clone();
        if job["backend_ref"]["kind"] == "container" {
            return self.enter(&config, &job);
        }
        if job["backend_ref"]["kind"] == "fargate" {
            return self.execute(&config, &job);
        }
        let (socket, target) = terminal(&data_dir, &job)?;
        let mut tmux = Command::new("tmux");
        tmux.arg("-S")
            .arg(&socket)
            .args(["attach-session", "-t", &target]);
        if self.read_only {
            tmux.arg("-r");
        }
        Err(tmux.exec()).context("started tmux")
    }

    /// Opens the agents' terminal inside the job's container.
    fn enter(&self, config: &ServeConfig, job: &Value) -> Result<ExitCode> {
        let (id, attempt) = (text(&job["job_id"]), text(&job["attempt"]));
        let seat = config.data_dir.join("seats").join(&id).join(&attempt);
        let name = text(&job["backend_ref"]["name"]);
        if std::fs::symlink_metadata(seat.join("agents.sock")).is_err() {
            bail!(
                "job {id} has no terminal in its container; `sandbox logs -f {id}` shows what it says"
            )
        }
        let mut docker = Command::new("docker");
        if let Some(host) = engine_host(config.sources.get("DOCKER_HOST")) {
            docker.env("DOCKER_HOST", host);
        }
        docker.args(enter_argv(
            &name,
            &format!("{id}/{attempt}"),
            self.read_only,
        ));
        let remedy = "started docker; install its command line: apt-get install docker.io";
        Err(docker.exec()).context(remedy)
    }
}

impl Attach {
    /// Opens the agents' terminal inside the job's task, by ECS Exec: with the rights of whoever asks, not the server's.
    fn execute(&self, config: &ServeConfig, job: &Value) -> Result<ExitCode> {
        let (id, name) = (text(&job["job_id"]), text(&job["backend_ref"]["name"]));
        if !job["outcome"].is_null() {
            bail!(
                "job {id} is over and has no terminal any more; `sandbox logs {id}` shows what it said"
            )
        }
        let cluster = config.sources.get("SANDBOX_FARGATE_CLUSTER");
        let cluster =
            cluster.context("set SANDBOX_FARGATE_CLUSTER to the cluster of the job's task")?;
        let remedy = "ran aws; install the AWS CLI and its session-manager-plugin";
        let listed = Command::new("aws").args(list_argv(cluster, &name)).output();
        let listed = listed.context(remedy)?;
        let arn = String::from_utf8_lossy(&listed.stdout).trim().to_owned();
        if !listed.status.success() {
            bail!(
                "looked for the job's task: {}",
                String::from_utf8_lossy(&listed.stderr).trim()
            )
        }
        if !arn.starts_with("arn:") {
            bail!("job {id} has no task at work; `sandbox describe {id}` says why")
        }
        let container = config.sources.get("SANDBOX_FARGATE_CONTAINER");
        let seat = format!("{id}/{}", text(&job["attempt"]));
        let place = (cluster, arn.as_str(), container.unwrap_or("runner"));
        let mut aws = Command::new("aws");
        aws.args(execute_argv(place, &seat, self.read_only));
        Err(aws.exec()).context(remedy)
    }
}

/// The words behind `aws` that give the task of this name.
fn list_argv(cluster: &str, name: &str) -> Vec<String> {
    let words = [
        "ecs",
        "list-tasks",
        "--cluster",
        cluster,
        "--started-by",
        name,
        "--query",
        "taskArns[0]",
        "--output",
        "text",
    ];
    words.map(str::to_owned).into()
}

/// The words behind `aws` that enter it. ECS hands the command to no shell, and its parts hold no spaces.
fn execute_argv(
    (cluster, arn, container): (&str, &str, &str),
    seat: &str,
    read_only: bool,
) -> Vec<String> {
    let look = if read_only { " -r" } else { "" };
    let command = format!("tmux -S {TASK}/seats/{seat}/agents.sock attach-session -t =farm{look}");
    let words = [
        "ecs",
        "execute-command",
        "--cluster",
        cluster,
        "--task",
        arn,
        "--container",
        container,
        "--interactive",
        "--command",
        &command,
    ];
    words.map(str::to_owned).into()
}

/// The words behind `docker`.
fn enter_argv(container: &str, seat: &str, read_only: bool) -> Vec<String> {
    let socket = format!("{}/{seat}/agents.sock", inside::SEATS);
    let mut words = vec![
        "exec",
        "--interactive",
        "--tty",
        "--env",
        "TERM=xterm-256color",
    ];
    words.extend([
        container,
        "tmux",
        "-S",
        &socket,
        "attach-session",
        "-t",
        "=farm",
    ]);
    words.extend(read_only.then_some("-r"));
    words.into_iter().map(str::to_owned).collect()
}

fn terminal(data_dir: &Path, job: &Value) -> Result<(PathBuf, String)> {
    let id = text(&job["job_id"]);
    if !job["outcome"].is_null() {
        bail!(
            "job {id} is over and has no terminal any more; `sandbox logs {id}` shows what it said"
        )
    }
    let attempt = text(&job["attempt"]);
    let seat = data_dir.join("seats").join(&id).join(&attempt);
    // A link where the data's path is too long for a socket; tmux wants the socket itself.
    if let Ok(agents) = seat.join("agents.sock").canonicalize() {
        return Ok((agents, "=farm".to_owned()));
    }
    let name = job["backend_ref"]["name"].as_str();
    let Some(name) = name else {
        bail!("job {id} has no terminal: it has not started yet")
    };
    Ok((
        crate::serve::sockets::folder(data_dir)?.join("tmux.sock"),
        format!("={name}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_entered_at_the_terminal_of_its_agents() {
        let argv = execute_argv(
            ("agents", "arn:aws:ecs:x:1:task/agents/2", "runner"),
            "u/1",
            true,
        );
        let words = argv.join(" ");
        let wanted = "ecs execute-command --cluster agents --task arn:aws:ecs:x:1:task/agents/2 --container runner --interactive --command tmux -S /home/sandbox/seat/seats/u/1/agents.sock attach-session -t =farm -r";
        assert_eq!(words, wanted);
        assert!(list_argv("agents", "aj-u-1").contains(&"aj-u-1".to_owned()));
    }
}
