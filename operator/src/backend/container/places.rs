//! Where folders of ours are for the engine. A server that is itself in a container of that engine
//! sees them at other paths than the engine's machine does; the engine knows both.

use std::path::{Path, PathBuf};

use bollard::models::MountPoint;

use super::engine::{Engine, Trouble};

/// One of the mounts of the server's own container.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    here: PathBuf,
    there: PathBuf,
    is_volume: bool,
}

/// What is mounted into the server's own container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(Vec<Place>);

impl Places {
    /// Asks the engine about the container that we are in. One that it does not know is of another
    /// engine, or we are in none: then a path is the same on both sides.
    pub(super) async fn ask(engine: &Engine, own: Option<&str>) -> Result<Self, Trouble> {
        let Some(own) = own else {
            return Ok(Self::default());
        };
        match engine.client().await?.inspect_container(own, None).await {
            Ok(seen) => Ok(Self::of(seen.mounts.unwrap_or_default())),
            Err(e) => match Trouble::from(e) {
                Trouble::NotFound(_) => Ok(Self::default()),
                other => Err(other),
            },
        }
    }

    pub(super) fn of(mounts: Vec<MountPoint>) -> Self {
        let place = |m: MountPoint| {
            Some(Place {
                here: m.destination?.into(),
                there: m.source?.into(),
                is_volume: m.typ.as_deref() == Some("volume"),
            })
        };
        let mut all: Vec<Place> = mounts.into_iter().filter_map(place).collect();
        // The innermost mount is the one that holds a path.
        all.sort_by_key(|place| std::cmp::Reverse(place.here.components().count()));
        Self(all)
    }

    /// This path as the engine's machine has it, and whether it stands in a volume.
    pub(super) fn there(&self, path: &Path) -> (PathBuf, bool) {
        let mut all = self.0.iter();
        let found = all.find_map(|p| Some((p.there.join(path.strip_prefix(&p.here).ok()?), p)));
        match found {
            // Joining nothing leaves a slash behind.
            Some((there, place)) => (there.components().collect(), place.is_volume),
            None => (path.to_owned(), false),
        }
    }

    /// Whether a path of the engine's machine stands beneath what is mounted.
    pub(super) fn holds(&self, there: &Path) -> bool {
        let up = std::path::Component::ParentDir;
        !there.components().any(|c| c == up) && self.0.iter().any(|p| there.starts_with(&p.there))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let mount = |(here, there): (&str, &str)| MountPoint {
            destination: Some(here.to_owned()),
            source: Some(there.to_owned()),
            ..MountPoint::default()
        };
        let all = [
            ("/data", "/docker/volumes/data"),
            ("/data/work", "/srv/projects"),
        ];
        Places::of(all.into_iter().map(mount).collect())
    }

    #[test]
    fn the_innermost_mount_says_where_a_path_is() {
        for (here, there) in [
            ("/data/seats/x", "/docker/volumes/data/seats/x"),
            ("/data/work/a", "/srv/projects/a"),
            ("/data/workers", "/docker/volumes/data/workers"),
            ("/data", "/docker/volumes/data"),
            ("/else", "/else"),
        ] {
            assert_eq!(places().there(Path::new(here)).0, Path::new(there));
        }
    }

    #[test]
    fn nothing_outside_of_the_mounts_is_held_by_them() {
        assert!(places().holds(Path::new("/srv/projects/a")));
        for path in ["/srv", "/srv/projects/../x", "/docker/volumes/data2", "/"] {
            assert!(!places().holds(Path::new(path)), "{path}");
        }
    }
}
