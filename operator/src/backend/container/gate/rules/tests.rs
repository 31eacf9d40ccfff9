//! The gate lets through what the back end asks, and nothing that would open the machine.

use bollard::models::MountPoint;

use super::*;
use crate::backend::container::create::tests::made;

fn rules() -> Rules {
    let mount = MountPoint {
        destination: Some("/data".to_owned()),
        source: Some("/volumes/data".to_owned()),
        ..MountPoint::default()
    };
    Rules {
        places: Places::of(vec![mount]),
    }
}

fn need(method: &str, uri: &str, body: &Value) -> Result<Need, &'static str> {
    let method = method.parse().unwrap_or_default();
    let uri = uri.parse().unwrap_or_default();
    rules().need(&method, &uri, body)
}

fn create(body: &Value) -> bool {
    need("POST", "/v1.41/containers/create?name=aj-x-1", body).is_ok()
}

/// As the back end makes it.
fn seat() -> Value {
    let mut made = made(json!({}));
    let mounts = made["HostConfig"]["Mounts"].as_array_mut();
    for mount in mounts.into_iter().flatten() {
        let source = mount["Source"].as_str().unwrap_or_default();
        mount["Source"] = json!(format!("/volumes/data{source}"));
    }
    made
}

#[test]
fn what_the_back_end_asks_for_is_let_through() {
    assert!(create(&seat()));
    let long = "/v1.41/containers/create?name=aj-x-1&platform=";
    assert_eq!(need("POST", long, &seat()), Ok(Need::Nothing));
}

#[test]
fn a_container_that_is_less_hard_in_one_thing_is_refused() {
    for (pointer, value) in [
        ("/User", json!("0:0")),
        ("/User", json!("10001")),
        ("/Labels", json!({})),
        ("/HostConfig/Privileged", json!(true)),
        ("/HostConfig/CapDrop", json!([])),
        (
            "/HostConfig/SecurityOpt",
            json!(["no-new-privileges", "seccomp=unconfined"]),
        ),
        ("/HostConfig/NetworkMode", json!("host")),
        ("/HostConfig/NetworkMode", json!("container:other")),
        ("/HostConfig/Memory", json!(0)),
        ("/HostConfig/RestartPolicy/Name", json!("always")),
        ("/HostConfig/Mounts/0/Source", json!("/etc")),
        (
            "/HostConfig/Mounts/0/Source",
            json!("/volumes/data/../../etc"),
        ),
        ("/HostConfig/Mounts/0/Type", json!("volume")),
        (
            "/HostConfig/Mounts/0/BindOptions/Propagation",
            json!("rshared"),
        ),
    ] {
        let mut asked = seat();
        if let Some(at) = asked.pointer_mut(pointer) {
            *at = value.clone();
        }
        assert!(!create(&asked), "{pointer}: {value}");
    }
}

#[test]
fn a_key_that_no_seat_has_is_refused_however_it_is_written() {
    for key in [
        "Binds",
        "binds",
        "CapAdd",
        "Devices",
        "PidMode",
        "UsernsMode",
        "VolumesFrom",
        "privileged",
    ] {
        let mut asked = seat();
        asked["HostConfig"][key] = json!(["x"]);
        assert!(!create(&asked), "{key}");
    }
    let mut asked = seat();
    asked["hostconfig"] = json!({"Privileged": true});
    assert!(!create(&asked));
}

#[test]
fn a_name_that_is_no_seats_is_refused() {
    let with = |query: &str| need("POST", &format!("/containers/create{query}"), &seat()).is_ok();
    assert!(with("?name=aj-x-1"));
    for query in [
        "",
        "?name=redis",
        "?name=redis&name=aj-x-1",
        "?name=aj-x-1&platform=x",
    ] {
        assert!(!with(query), "{query}");
    }
}

#[test]
fn calls_that_could_open_the_machine_are_refused() {
    for (method, path) in [
        ("POST", "/containers/aj-x-1/exec"),
        ("POST", "/exec/x/start"),
        ("PUT", "/containers/aj-x-1/archive"),
        ("POST", "/containers/aj-x-1/update"),
        ("POST", "/containers/prune"),
        ("GET", "/containers/aj-x-1/archive"),
        ("POST", "/build"),
        ("POST", "/images/create?fromSrc=-"),
        ("POST", "/images/load"),
        ("DELETE", "/images/x"),
        ("DELETE", "/volumes/x"),
        ("POST", "/volumes/create"),
        ("POST", "/swarm/init"),
        ("POST", "/v1.41/plugins/pull"),
        ("GET", "/secrets"),
        ("POST", "/containers/a%2Fb/start"),
    ] {
        assert!(need(method, path, &Value::Null).is_err(), "{method} {path}");
    }
}

#[test]
fn what_is_asked_of_one_container_depends_on_whose_it_is() {
    let of = |method: &str, path: &str| need(method, path, &Value::Null);
    let seat = Ok(Need::Seat("abc".to_owned()));
    assert_eq!(
        of("POST", "/v1.41/containers/abc/kill?signal=SIGTERM"),
        seat
    );
    assert_eq!(of("DELETE", "/v1.41/containers/abc?force=true"), seat);
    assert_eq!(of("GET", "/v1.41/containers/abc/logs"), seat);
    assert_eq!(of("GET", "/v1.41/containers/abc/json"), Ok(Need::Shown));
    assert_eq!(of("GET", "/v1.41/images/a/b:1/json"), Ok(Need::Nothing));
}

#[test]
fn only_a_bridge_that_keeps_containers_apart_is_made() {
    let apart = json!({"com.docker.network.bridge.enable_icc": "false"});
    let of = |name: &str, driver: &str, options: &Value| {
        let body = json!({"Name": name, "Driver": driver, "Options": options, "Labels": {}});
        need("POST", "/networks/create", &body).is_ok()
    };
    assert!(of("sandbox-x", "bridge", &apart));
    assert!(!of("x", "bridge", &apart));
    assert!(!of("sandbox-x", "host", &apart));
    assert!(!of("sandbox-x", "bridge", &json!({})));
}
