//! Toolchains that stand in the user's home. Agents have an empty home, so programs of the PATH that
//! are only doors to those (rustup's `cargo`, pyenv's `python`) would find nothing behind them.
//!
//! Only folders of programs are named to agents: none in which their owners keep a login, as
//! `~/.cargo`, `~/.npmrc` or `~/.config` are.

use std::{collections::BTreeMap, path::Path};

/// The variable that names a toolchain's folder, and where that is when nobody says.
const KNOWN: [(&str, &str); 4] = [
    ("RUSTUP_HOME", ".rustup"),
    ("PYENV_ROOT", ".pyenv"),
    ("RBENV_ROOT", ".rbenv"),
    ("ASDF_DATA_DIR", ".asdf"),
];

/// The variables for those that are there.
pub fn beneath(home: &Path) -> BTreeMap<&'static str, String> {
    let there = |(name, folder): (&'static str, &str)| {
        let path = home.join(folder);
        let text = path.to_str()?.to_owned();
        path.is_dir().then_some((name, text))
    };
    KNOWN.into_iter().filter_map(there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_that_is_there_is_named_and_no_folder_with_logins_is() {
        let home = tempfile::tempdir().unwrap();
        for folder in [".rustup", ".cargo", ".npm", ".config"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        let rustup = home.path().join(".rustup");
        let expected = BTreeMap::from([("RUSTUP_HOME", rustup.to_str().unwrap().to_owned())]);
        assert_eq!(beneath(home.path()), expected);
    }
}
