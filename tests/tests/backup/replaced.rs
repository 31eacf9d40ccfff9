//! A restore where a data folder is already.

use std::{fs, os::unix::fs::MetadataExt};

use sandbox_tests::node::Node;
use serde_json::json;

use crate::rig::{backup, done, names, one_job, refused, restore};

#[tokio::test]
async fn a_restore_over_a_server_at_work_is_refused() {
    let (mut node, _) = one_job().await;
    let file = node.data().with_file_name("b");
    done(backup(&node.data(), &file));
    node.restart();
    let said = refused(restore(&file, &node.data()));
    assert!(said.contains("is not empty; --replace"), "{said}");
    let mut replacing = restore(&file, &node.data());
    replacing.arg("--replace");
    let said = refused(replacing);
    assert!(
        said.contains("another `sandbox serve` has the data folder"),
        "{said}"
    );
    assert_eq!(node.get("/health").await.0, 200);
}

#[tokio::test]
async fn what_is_replaced_is_kept_beside_and_workspaces_and_settings_stay_in_use() {
    let (mut node, old) = one_job().await;
    let file = node.data().with_file_name("b");
    done(backup(&node.data(), &file));
    node.restart();
    let newer = node
        .submit("echo", json!({"message": "after the backup"}))
        .await;
    node.ended(&newer).await;
    node.kill(rustix::process::Signal::TERM);
    let project = node.data().join("workspace/default/p/file");
    fs::create_dir_all(project.parent().unwrap()).unwrap();
    fs::write(&project, "work").unwrap();
    let mut replacing = restore(&file, &node.data());
    replacing.arg("--replace");
    let told = done(replacing);
    let aside = told.rsplit("stands at ").next().unwrap().trim().to_owned();
    assert!(
        fs::metadata(format!("{aside}/sandbox.db")).is_ok(),
        "{told}"
    );
    node.restart();
    assert_eq!(node.job(&old).await["status"], "SUCCEEDED");
    assert_eq!(node.get(&format!("/jobs/{newer}")).await.0, 404);
    assert_eq!(fs::read_to_string(&project).unwrap(), "work");
    let next = node.submit("echo", json!({"message": "next"})).await;
    assert_eq!(node.ended(&next).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_restore_over_work_that_goes_on_without_a_server_is_refused_and_names_the_job() {
    let mut node = Node::start(&[]);
    let id = node
        .submit_spec(json!({"type": "echo", "echo": {"message": "m", "delay": "600s"}}))
        .await;
    node.running(&id).await;
    let file = node.data().with_file_name("b");
    done(backup(&node.data(), &file));
    node.kill(rustix::process::Signal::TERM);
    let mut replacing = restore(&file, &node.data());
    replacing.arg("--replace");
    let said = refused(replacing);
    assert!(
        said.contains(&format!("job {id} is at work from")),
        "{said}"
    );
    assert!(!node.seat_processes().is_empty(), "nothing was ended");
}

#[tokio::test]
async fn a_folder_that_root_restores_belongs_to_whom_the_old_one_belonged() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root gives files away");
        return;
    }
    let (node, _) = one_job().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    done(backup(&node.data(), &folder.path().join("b")));
    fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(12345), Some(12345)).unwrap();
    done(restore(&folder.path().join("b"), &data));
    for path in crate::rig::bytes(&data).keys() {
        assert_eq!(
            fs::metadata(path).unwrap().uid(),
            12345,
            "{}",
            path.display()
        );
    }
    assert_eq!(fs::metadata(&data).unwrap().uid(), 12345);
    assert_eq!(names(folder.path()), ["b", "data"]);
}

#[tokio::test]
async fn root_backs_up_and_restores_a_service_of_another_user_which_goes_on_after_both() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root serves as another user");
        return;
    }
    let mut node = Node::prepare(&[]).as_user(12345);
    node.restart();
    let first = node.submit("echo", json!({"message": "first"})).await;
    node.ended(&first).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b");
    done(backup(&node.data(), &file));
    let second = node.submit("echo", json!({"message": "second"})).await;
    assert_eq!(node.ended(&second).await["status"], "SUCCEEDED");
    node.kill(rustix::process::Signal::TERM);
    done(backup(&node.data(), &file.with_extension("at-rest")));
    node.restart();
    node.kill(rustix::process::Signal::TERM);
    let mut replacing = restore(&file, &node.data());
    replacing.arg("--replace");
    done(replacing);
    node.restart();
    assert_eq!(node.job(&first).await["status"], "SUCCEEDED");
    let third = node.submit("echo", json!({"message": "third"})).await;
    assert_eq!(node.ended(&third).await["status"], "SUCCEEDED");
}
