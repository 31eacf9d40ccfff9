//! The chart of the definitions: the very definitions of `crds/`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sandbox_tests::helm::{chart, rendered};
use serde_json::Value;

fn texts(folder: PathBuf) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let text = |file: PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(file).unwrap())
    };
    files.map(text).collect()
}

#[test]
fn its_files_are_those_of_the_folder_crds() {
    let own = chart("sandbox-crds").join("files");
    let made = texts(chart("../crds"));
    let stands = texts(own.clone());
    if made != stands {
        for name in stands.keys() {
            fs::remove_file(own.join(name)).unwrap();
        }
        for (name, text) in &made {
            fs::write(own.join(name), text).unwrap();
        }
        panic!("the chart's definitions were not those of crds/; they are now");
    }
}

/// As an API server reads it, to which 1 and 1.0 are one number.
fn read(object: Value) -> CustomResourceDefinition {
    serde_json::from_value(object).unwrap()
}

#[test]
fn it_renders_them_as_they_are_and_keeps_them_when_it_is_uninstalled() {
    let made = texts(chart("../crds"));
    let objects = rendered("sandbox-crds", &[]);
    assert_eq!(objects.len(), made.len());
    for object in objects {
        let kept = &object["metadata"]["annotations"]["helm.sh/resource-policy"];
        assert_eq!(kept, "keep");
        let name = object["metadata"]["name"].as_str().unwrap();
        let file = format!("{}.yaml", name.split('.').next().unwrap());
        let wanted = serde_saphyr::from_str(&made[&file]).unwrap();
        assert_eq!(read(object.clone()).spec, read(wanted).spec, "{name}");
    }
}

#[test]
fn they_go_with_the_release_where_that_is_asked_for() {
    for object in rendered("sandbox-crds", &["keep=false"]) {
        assert!(object["metadata"]["annotations"].is_null());
    }
}
