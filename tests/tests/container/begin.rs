//! How a seat begins in a container: once, under its name, hardened, with what is its own.

use std::{fs, os::unix::fs::PermissionsExt};

use sandbox_core::{
    FailureClass,
    port::{Backend, PortError},
    spec::{BackendSpec, ContainerSpec},
};
use sandbox_tests::contract::{
    backend::{Place, the_one_alive},
    container::{Container, SCRIPTED, WORK},
};

fn refusal(answer: Result<(), PortError>) -> (FailureClass, String) {
    match answer {
        Err(PortError::Refused(f)) => (f.class, f.message),
        other => panic!("expected a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_container_of_the_name_that_is_a_strangers_is_refused_and_left_alone() {
    let place = Container::new(WORK);
    let brief = place.brief();
    let name = place.name(&brief.seat);
    let sleep = [
        "run",
        "-d",
        "--network",
        "none",
        "--entrypoint",
        "sleep",
        "--name",
        &name,
    ];
    place
        .engine
        .done(&[&sleep[..], &[SCRIPTED, "600"]].concat());
    let (class, text) = refusal(place.backend.launch(&brief).await);
    assert_eq!(class, FailureClass::Infrastructure);
    assert!(text.contains(&format!("docker rm -f {name}")), "{text}");
    let look = place.backend.look(&brief.seat, None).await.unwrap();
    assert!(look.sightings.is_empty(), "{look:?}");
    place.backend.stop(&brief.seat, None).await.unwrap();
    place.backend.reap(&brief.seat).await.unwrap();
    let running = place
        .engine
        .done(&["inspect", "-f", "{{.State.Running}}", &name]);
    assert_eq!((running.as_str(), place.starts()), ("true", 0));
    place.engine.done(&["rm", "-f", &name]);
}

#[tokio::test]
async fn a_container_that_was_made_and_not_started_is_started_by_the_next_launch() {
    let place = Container::new(WORK);
    let brief = place.launch().await;
    place.up(&brief.seat).await;
    let name = place.name(&brief.seat);
    // As after a crash between the two calls: the same container, made and not started.
    let labels = ["dev.multiagent.owner", "dev.multiagent.seat"];
    let labels = labels.map(|l| {
        let format = format!("{{{{index .Config.Labels \"{l}\"}}}}");
        format!(
            "{l}={}",
            place.engine.done(&["inspect", "-f", &format, &name])
        )
    });
    place.engine.done(&["rm", "-f", &name]);
    fs::remove_file(place.file(&brief.seat, "said")).unwrap();
    let folder = place.file(&brief.seat, "");
    let mounts = [
        format!("{}:/sandbox/seats/{}", folder.display(), brief.seat),
        format!(
            "{}:/workspace/default",
            place.config.workspace_root.join("default").display()
        ),
    ];
    let words = [
        "create",
        "--name",
        &name,
        "--network",
        "none",
        "-l",
        &labels[0],
        "-l",
        &labels[1],
    ];
    let more = [
        "-v", &mounts[0], "-v", &mounts[1], SCRIPTED, "exec", "--seat",
    ];
    let seat = brief.seat.to_string();
    place
        .engine
        .done(&[&words[..], &more[..], &[&seat]].concat());
    let look = place.backend.look(&brief.seat, None).await.unwrap();
    assert_eq!((look.sightings.len(), look.remains), (0, 0));
    place.backend.launch(&brief).await.unwrap();
    place.up(&brief.seat).await;
    assert_eq!(place.starts(), 2);
}

#[tokio::test]
async fn a_restart_of_ours_finds_the_same_container() {
    let place = Container::new(WORK);
    let brief = place.launch().await;
    place.up(&brief.seat).await;
    let before = the_one_alive(place.backend(), &brief.seat).await;
    let again = place.restarted();
    assert_eq!(the_one_alive(&again, &brief.seat).await, before);
    again.launch(&brief).await.unwrap();
    assert_eq!(place.starts(), 1);
}

const SHOWS: &str = "
say user $(id -u):$(id -g)
say capabilities $(grep CapEff /proc/self/status)
say privileges $(grep NoNewPrivs /proc/self/status)
say seccomp $(grep Seccomp: /proc/self/status)
touch /usr/x 2>/dev/null && say root is writable
touch /workspace/default/made && say workspace is writable
touch /tmp/x && touch $HOME/x && say temporary folders are writable
say seats $(ls /sandbox/seats | wc -l)
say sockets $(ls /sandbox/run)
say network $(ls /sys/class/net)
say host $(hostname)
say shown; exec sleep 600";

#[tokio::test]
async fn nothing_inside_has_a_privilege_and_only_its_own_folders_are_there() {
    let place = Container::new(SHOWS);
    let other = place.launch().await;
    let brief = place.launch().await;
    place.said(&other.seat, "shown").await;
    let said = place.said(&brief.seat, "shown").await;
    let id = the_one_alive(place.backend(), &brief.seat).await;
    let host = id.strip_prefix("container:").unwrap();
    for line in [
        "user 10001:10001",
        "capabilities CapEff: 0000000000000000",
        "privileges NoNewPrivs: 1",
        "seccomp Seccomp: 2",
        "workspace is writable",
        "temporary folders are writable",
        "seats 1",
        "network lo",
        &format!("host {host}"),
    ] {
        assert!(said.lines().any(|l| l == line), "{line}: {said}");
    }
    assert!(!said.contains("root is writable"), "{said}");
    let name = place.name(&brief.seat);
    let shown = [
        "inspect",
        "-f",
        "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}",
        &name,
    ];
    assert_eq!(place.engine.done(&shown), "2147483648 1024");
}

#[tokio::test]
async fn a_secret_is_readable_inside_stands_in_no_setting_and_is_gone_afterwards() {
    let script = "say $(cat /sandbox/secrets/.model-key); say read; exec sleep 600";
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "sk-secret").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let place = Container::with(script, |config| config.model_key = Some(key));
    let brief = place.launch().await;
    let said = place.said(&brief.seat, "read").await;
    assert!(said.contains("sk-secret"), "{said}");
    let shown = place.engine.done(&["inspect", &place.name(&brief.seat)]);
    assert!(!shown.contains("sk-secret"), "{shown}");
    place.backend.reap(&brief.seat).await.unwrap();
    let copies = fs::read_dir(place.config.folder.join("secrets")).unwrap();
    assert_eq!(copies.count(), 0);
}

#[tokio::test]
async fn a_workspace_of_somebody_elses_is_refused_with_the_remedy_and_not_given_away() {
    let place = Container::new(WORK);
    let tenant = place.config.workspace_root.join("default");
    std::os::unix::fs::chown(&tenant, Some(4321), Some(4321)).unwrap();
    let brief = place.brief();
    let (class, text) = refusal(place.backend.launch(&brief).await);
    assert_eq!(class, FailureClass::InvalidSpec);
    assert!(text.contains("chown -R 10001:10001"), "{text}");
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&tenant).unwrap());
    assert_eq!(owner, 4321);
}

#[tokio::test]
async fn an_image_that_is_not_allowed_is_refused_before_anything_is_pulled() {
    let place = Container::new(WORK);
    let mut brief = place.brief();
    brief.spec.backend = Some(BackendSpec {
        name: brief.backend,
        container: Some(ContainerSpec {
            image: Some("somebody/else:1".to_owned()),
            ..ContainerSpec::default()
        }),
        ..BackendSpec::default()
    });
    assert_eq!(place.backend.refuses(&brief.spec).len(), 1);
    let (class, text) = refusal(place.backend.launch(&brief).await);
    assert_eq!(class, FailureClass::InvalidSpec);
    assert!(text.contains("SANDBOX_CONTAINER_IMAGES"), "{text}");
}

#[tokio::test]
async fn an_image_without_a_runner_says_what_it_lacks() {
    let bare = "debian:bookworm-slim";
    let place = Container::with(WORK, |config| config.image = bare.to_owned());
    let brief = place.brief();
    let (class, text) = refusal(place.backend.launch(&brief).await);
    assert_eq!(class, FailureClass::InvalidSpec);
    assert!(text.contains("no runner's image"), "{text}");
}
