//! `sandbox keep <seat folder> <agent> <bytes>`: tmux pipes what a terminal shows into it, and it
//! keeps the beginning. It reads on when the file is full, so that tmux never waits for it.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::{self, Read, Write},
    process::ExitCode,
};

use super::{desk::Desk, desk_of};

/// Keeps what comes.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = words.collect();
    let limit = words.get(2).and_then(|w| w.to_str()?.parse().ok());
    if let (Some(desk), Some(limit)) = (desk_of(words.into_iter()), limit) {
        // A log that cannot be written is missing; the agent goes on.
        let _ = take(&desk, limit, io::stdin().lock());
    }
    ExitCode::SUCCESS
}

fn take(desk: &Desk, limit: u64, mut input: impl Read) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).open(desk.terminal())?;
    let mut left = limit.saturating_sub(file.metadata()?.len());
    let mut piece = [0; 16 << 10];
    loop {
        let read = match input.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) => return Err(e),
        };
        let kept = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&piece[..kept])?;
        left -= kept as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_kept_and_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(folder.path(), 1);
        desk.make().unwrap();
        for text in ["abc", "defgh"] {
            take(&desk, 5, text.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read(desk.terminal()).unwrap(), b"abcde");
    }
}
