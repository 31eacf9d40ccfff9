//! Where results, logs and the files of jobs are kept that are too large for an object: the data folder, which replicas
//! may share, or a bucket.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use object_store::{
    ObjectStore, aws::AmazonS3Builder, local::LocalFileSystem, path::Path, prefix::PrefixStore,
};
use sandbox_core::cause::innermost;

use super::settings::Settings;

/// A folder that is never there: asking for it shows whether the bucket may be read.
const NOTHING: &str = "reports/none";
const RIGHTS: &str =
    "s3:GetObject, s3:PutObject and s3:DeleteObject on its objects, and s3:ListBucket on it";

/// Opens it, and asks the bucket once.
///
/// # Errors
/// The folder or the bucket cannot be used.
pub(super) async fn open(settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    if let Some(url) = &settings.objects {
        return bucket(url).await;
    }
    let folder = settings.data_dir.join("files");
    let made = std::fs::create_dir_all(&folder);
    made.with_context(|| format!("made the folder {}", folder.display()))?;
    let files = LocalFileSystem::new_with_prefix(&folder).context("opened the data folder")?;
    Ok(Arc::new(files))
}

async fn bucket(url: &str) -> Result<Arc<dyn ObjectStore>> {
    let Some((name, folder)) = parts(url) else {
        bail!("read --objects {url:?}: it is not s3://BUCKET or s3://BUCKET/FOLDER");
    };
    let built = AmazonS3Builder::from_env().with_bucket_name(name).build();
    let built = built.with_context(|| format!("opened the bucket {name}; look at AWS_REGION"))?;
    let files = PrefixStore::new(built, folder);
    match files.list(Some(&Path::from(NOTHING))).try_next().await {
        Ok(_) => Ok(Arc::new(files)),
        Err(e) => bail!(
            "asked what is in the bucket {name}: {}; the operator needs {RIGHTS}, and AWS_REGION must be the bucket's",
            innermost(&e)
        ),
    }
}

/// The bucket, and the folder in it.
fn parts(url: &str) -> Option<(&str, Path)> {
    let rest = url.strip_prefix("s3://")?;
    let (name, folder) = rest.split_once('/').unwrap_or((rest, ""));
    let folder = Path::parse(folder.trim_end_matches('/')).ok()?;
    (!name.is_empty()).then_some((name, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_with_or_without_a_folder() {
        let read = |url| parts(url).map(|(name, folder)| (name, folder.to_string()));
        assert_eq!(read("s3://b"), Some(("b", String::new())));
        assert_eq!(read("s3://b/"), Some(("b", String::new())));
        assert_eq!(read("s3://b/c/d/"), Some(("b", "c/d".to_owned())));
        for url in ["", "b", "file:///x", "s3://", "s3:///x", "s3://b/../x"] {
            assert_eq!(read(url), None, "{url}");
        }
    }
}
