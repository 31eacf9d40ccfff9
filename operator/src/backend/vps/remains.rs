//! Which processes of this machine were begun for a seat: those that carry the seat's variable,
//! and their children. One pass over `/proc` answers for all seats. Signals nobody.
//!
//! Out of sight: a process that cleared its environment *and* whose parents are all over, and a
//! process of another user.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    io::Read,
    sync::Arc,
};

use super::{
    conf::SEAT_VARIABLE,
    instance::{self, is_gone},
};

/// The most of an environment that is read.
const ENVIRONMENT_LIMIT: u64 = 4 << 20;

/// One running process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Process {
    /// Its id.
    pub pid: u32,
    /// When it started, in clock ticks since the boot.
    pub start: u64,
}

/// The running processes of each seat, by the seat as it stands in the variable.
pub(super) type Found = Arc<HashMap<String, BTreeSet<Process>>>;

/// Looks at every process. A process that ends meanwhile is left out.
pub(super) fn scan() -> io::Result<Found> {
    let mut found: HashMap<String, BTreeSet<Process>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        if let Some(seat) = seat_of(pid)? {
            add(found.entry(seat).or_default(), pid)?;
        }
    }
    Ok(Arc::new(found))
}

/// Adds a process that runs, and all that descend from it. Never this process: it carries a
/// seat's variable when it was itself started by an agent, and must not end itself.
fn add(seat: &mut BTreeSet<Process>, pid: u32) -> io::Result<()> {
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        let running = instance::stat(pid)?.filter(|s| s.running);
        let Some(start) = running.map(|s| s.start) else {
            continue;
        };
        if pid != std::process::id() && seat.insert(Process { pid, start }) {
            waiting.extend(children(pid)?);
        }
    }
    Ok(())
}

/// What the variable says in the environment a process was started with.
pub(super) fn seat_of(pid: u32) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let file = absent(fs::File::open(format!("/proc/{pid}/environ")))?;
    let Some(file) = file else { return Ok(None) };
    if absent(file.take(ENVIRONMENT_LIMIT).read_to_end(&mut bytes))?.is_none() {
        return Ok(None);
    }
    let mut variables = bytes.split(|b| *b == 0);
    let value =
        variables.find_map(|v| v.strip_prefix(SEAT_VARIABLE.as_bytes())?.strip_prefix(b"="));
    Ok(value.map(|v| String::from_utf8_lossy(v).into_owned()))
}

/// The children that any thread of a process has begun. Kernels may lack the file; the variable
/// has to do then.
fn children(pid: u32) -> io::Result<Vec<u32>> {
    let mut all = Vec::new();
    let Some(threads) = absent(fs::read_dir(format!("/proc/{pid}/task")))? else {
        return Ok(all);
    };
    for thread in threads {
        let Some(thread) = absent(thread)? else { break };
        let text = absent(fs::read_to_string(thread.path().join("children")))?;
        all.extend(
            text.iter()
                .flat_map(|t| t.split(' '))
                .filter_map(|p| p.parse::<u32>().ok()),
        );
    }
    Ok(all)
}

/// A process that is over or another user's has nothing to show. Any other error is one.
fn absent<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(e) if is_gone(&e) || e.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn begin(seat: &str, script: &str) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env(SEAT_VARIABLE, seat);
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn line(child: &mut Child) -> String {
        let mut text = String::new();
        let out = child.stdout.as_mut().unwrap();
        io::BufRead::read_line(&mut io::BufReader::new(out), &mut text).unwrap();
        text.trim().to_owned()
    }

    fn pids(seat: &str) -> BTreeSet<u32> {
        let found = scan().unwrap();
        let all = found.get(seat).cloned().unwrap_or_default();
        all.iter().map(|p| p.pid).collect()
    }

    #[test]
    fn a_child_that_cleared_its_environment_is_found_through_its_parent() {
        let seat = format!("test-{}/1", uuid::Uuid::new_v4());
        let mut parent = begin(&seat, "env -i sleep 60 & echo $!; wait");
        let child: u32 = line(&mut parent).parse().unwrap();
        assert_eq!(pids(&seat), BTreeSet::from([parent.id(), child]));
        for process in scan().unwrap().get(&seat).unwrap() {
            let held = instance::hold(process.pid, process.start).unwrap();
            let kill = rustix::process::Signal::KILL;
            rustix::process::pidfd_send_signal(held.unwrap(), kill).unwrap();
        }
        parent.wait().unwrap();
    }

    #[test]
    fn a_zombie_does_not_remain() {
        let seat = format!("test-{}/1", uuid::Uuid::new_v4());
        // It waits for what never comes, itself: a process has no environment while it becomes another.
        let mut parent = begin(&seat, "echo up; read never");
        line(&mut parent);
        assert_eq!(pids(&seat).len(), 1);
        parent.kill().unwrap();
        let id = rustix::process::Pid::from_raw(i32::try_from(parent.id()).unwrap());
        let exited =
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(id.unwrap()), exited).unwrap();
        assert_eq!(pids(&seat), BTreeSet::new());
        parent.wait().unwrap();
    }
}
