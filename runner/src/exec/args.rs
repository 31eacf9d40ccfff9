//! The few words `exec` is started with: `--seat <uid>/<attempt> --data-dir <folder>`.

use std::{ffi::OsString, path::PathBuf};

use sandbox_core::Seat;

/// Which seat, and where its folder is.
pub(super) struct Args {
    pub(super) seat: Seat,
    pub(super) data_dir: PathBuf,
}

/// Reads the words; says what is wrong with them otherwise.
pub(super) fn read(words: impl Iterator<Item = OsString>) -> Result<Args, String> {
    let (mut seat, mut data_dir) = (None, None);
    let mut words = words;
    while let Some(word) = words.next() {
        let value = words.next();
        match (word.to_str(), value) {
            (Some("--seat"), Some(value)) => seat = Some(value),
            (Some("--data-dir"), Some(value)) => data_dir = Some(value),
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
    })
}
