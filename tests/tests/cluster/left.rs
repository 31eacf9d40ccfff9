//! The node of the tests itself: it is real, and nothing of it is left behind.

use sandbox_tests::cluster::whole::Whole;

fn links() -> Vec<String> {
    let all = std::fs::read_dir("/sys/class/net").unwrap();
    let names = all.map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|n| n.starts_with("sbx")).collect()
}

fn mentions(file: &str, what: &str) -> bool {
    std::fs::read_to_string(file).unwrap().contains(what)
}

#[tokio::test]
async fn a_node_leaves_no_process_mount_link_or_folder() {
    let whole = Whole::start().await.unwrap();
    let (folder, link) = (whole.folder().to_owned(), whole.link());
    let at = folder.to_string_lossy().into_owned();
    let processes = || {
        let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let words = all.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok());
        let words = words.map(|w| String::from_utf8_lossy(&w).into_owned());
        words.filter(|w| w.contains(&at)).count()
    };
    assert!(links().contains(&link));
    assert!(processes() >= 3, "containerd, kubelet, and who keeps them");
    drop(whole);
    assert_eq!(processes(), 0);
    assert!(!links().contains(&link));
    assert!(!mentions("/proc/mounts", &at));
    assert!(!folder.exists());
}
