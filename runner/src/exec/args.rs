//! The few words `exec` is started with: `--seat <uid>/<attempt> --data-dir <folder>`; in a container also
//! `--instance container` and `--relay <socket>`; in a pod `--instance pod` and `--door <https://…>`, in a task of ECS
//! `--instance task` and the same; on a machine that
//! runs it for a control plane elsewhere `--door <socket>`.

use std::{ffi::OsString, path::PathBuf};

use sandbox_core::Seat;

/// Which seat, and where its folder is.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) seat: Seat,
    pub(super) data_dir: PathBuf,
    /// What the back end sees of this runner.
    pub(super) instance: Instance,
    /// The socket at which it has to ask for its seat first; without, it takes the seat itself.
    pub(super) socket: Option<PathBuf>,
    /// The socket of the proxy that everything of this seat goes out by.
    pub(super) relay: Option<PathBuf>,
}

/// What counts as the instance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Instance {
    /// This process.
    Process,
    /// The container around it.
    Container,
    /// The pod around it, which has nothing in common with us but this door.
    Pod {
        /// Where the seat protocol is served.
        door: String,
    },
    /// The task of ECS around it, which has nothing in common with us but this door.
    Task {
        /// Where the seat protocol is served.
        door: String,
    },
}

/// Reads the words; says what is wrong with them otherwise.
pub(super) fn read(words: impl Iterator<Item = OsString>) -> Result<Args, String> {
    let (mut seat, mut data_dir) = (None, None);
    let (mut instance, mut door, mut relay) = (None, None, None);
    let mut words = words;
    while let Some(word) = words.next() {
        let value = words.next();
        match (word.to_str(), value) {
            (Some("--seat"), Some(value)) => seat = Some(value),
            (Some("--data-dir"), Some(value)) => data_dir = Some(value),
            (Some("--instance"), Some(value)) => instance = Some(value),
            (Some("--door"), Some(value)) => door = Some(value),
            (Some("--relay"), Some(value)) => relay = Some(PathBuf::from(value)),
            _ => {
                return Err(format!(
                    "read the arguments: {} is unknown or has no value",
                    word.display()
                ));
            }
        }
    }
    let seat = seat.ok_or("read the arguments: --seat is missing")?;
    let data_dir = data_dir.ok_or("read the arguments: --data-dir is missing")?;
    let seat = seat
        .to_string_lossy()
        .parse::<Seat>()
        .map_err(|e| e.to_string())?;
    let (instance, socket) = of_words(instance, door)?;
    Ok(Args {
        seat,
        data_dir: PathBuf::from(data_dir),
        instance,
        socket,
        relay,
    })
}

type Known = (Instance, Option<PathBuf>);

fn of_words(instance: Option<OsString>, door: Option<OsString>) -> Result<Known, String> {
    let instance = instance.map(|word| word.to_string_lossy().into_owned());
    let socket = door.as_ref().map(PathBuf::from);
    let known = match (instance.as_deref(), door) {
        (None, _) => (Instance::Process, socket),
        (Some("container"), _) => (Instance::Container, socket),
        (Some("pod"), Some(door)) => {
            let door = door.to_string_lossy().into_owned();
            (Instance::Pod { door }, None)
        }
        (Some("task"), Some(door)) => {
            let door = door.to_string_lossy().into_owned();
            (Instance::Task { door }, None)
        }
        _ => {
            let text = "read the arguments: --instance is container, or pod or task with a --door";
            return Err(text.to_owned());
        }
    };
    match &known.1 {
        Some(socket) if !socket.is_absolute() => {
            Err("read the arguments: --door must be the absolute path of a socket".to_owned())
        }
        _ => Ok(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAT: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/1";

    fn instance(words: &[&str]) -> Result<Instance, String> {
        let seat = ["--seat", SEAT, "--data-dir", "/d"];
        let all = seat.iter().chain(words).map(OsString::from);
        read(all).map(|args| args.instance)
    }

    #[test]
    fn a_pod_or_a_task_is_told_its_door_and_nobody_else_is() {
        let door = "https://operator:8443".to_owned();
        let socket = ["--door", "/run/node.sock"];
        assert_eq!(instance(&socket), Ok(Instance::Process));
        assert_eq!(instance(&[]), Ok(Instance::Process));
        assert_eq!(
            instance(&["--instance", "container"]),
            Ok(Instance::Container)
        );
        assert_eq!(
            instance(&["--instance", "pod", "--door", &door]),
            Ok(Instance::Pod { door: door.clone() })
        );
        assert_eq!(
            instance(&["--instance", "task", "--door", &door]),
            Ok(Instance::Task { door })
        );
        for odd in [
            &["--instance", "pod"][..],
            &["--instance", "task"],
            &["--door", "https://x"],
            &["--instance", "container", "--door", "https://x"],
            &["--instance", "moon"],
            &["--instance"],
        ] {
            assert!(instance(odd).is_err(), "{odd:?}");
        }
    }
}
