//! The few words `exec` is started with: `--seat <uid>/<attempt> --data-dir <folder>`, and in a
//! container also `--instance container` and `--relay <socket>`.

use std::{ffi::OsString, path::PathBuf};

use sandbox_core::Seat;

/// Which seat, and where its folder is.
pub(super) struct Args {
    pub(super) seat: Seat,
    pub(super) data_dir: PathBuf,
    /// Whether the container is the instance, and not this process.
    pub(super) in_container: bool,
    /// The socket of the proxy that everything of this seat goes out by.
    pub(super) relay: Option<PathBuf>,
}

/// Reads the words; says what is wrong with them otherwise.
pub(super) fn read(words: impl Iterator<Item = OsString>) -> Result<Args, String> {
    let (mut seat, mut data_dir) = (None, None);
    let (mut in_container, mut relay) = (false, None);
    let mut words = words;
    while let Some(word) = words.next() {
        let value = words.next();
        match (word.to_str(), value) {
            (Some("--seat"), Some(value)) => seat = Some(value),
            (Some("--data-dir"), Some(value)) => data_dir = Some(value),
            (Some("--instance"), Some(value)) if value == "container" => in_container = true,
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
    Ok(Args {
        seat,
        data_dir: PathBuf::from(data_dir),
        in_container,
        relay,
    })
}
