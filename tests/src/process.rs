//! A process that ends with its value. A thread of its own begins it and waits for it: the kernel's word "kill it when
//! whoever began it is gone" speaks of the thread, and a test's thread is over before a shared cluster is.

use std::{
    fs::File,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::node::send;

pub(crate) struct Process {
    pid: u32,
    keeper: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a command that writes to this log.
    pub(crate) fn start((mut command, log): (Command, PathBuf)) -> Result<Self> {
        let log = File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let (tell, told) = mpsc::channel();
        let keeper = std::thread::spawn(move || match command.spawn() {
            Ok(mut child) => {
                let _ = tell.send(Ok(child.id()));
                let _ = child.wait();
            }
            Err(e) => drop(tell.send(Err(e))),
        });
        let pid = told
            .recv()?
            .context("ran setpriv, which is part of util-linux")?;
        Ok(Self {
            pid,
            keeper: Some(keeper),
        })
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn is_over(&self) -> bool {
        self.keeper.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Process {
    /// Kills it and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if !self.is_over() {
            send(self.pid, Signal::KILL);
        }
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
