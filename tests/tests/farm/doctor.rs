//! `sandbox doctor` says how agents would log in.

use std::{fs, process::Command};

use sandbox_tests::node::built;

use crate::rig::Rig;

/// What is said of the agents' login with these settings.
fn said(rig: &Rig, env: &[(&str, String)]) -> String {
    let mut doctor = Command::new(built("sandbox"));
    doctor.arg("doctor").env_clear().current_dir(rig.at(""));
    doctor.env("PATH", std::env::var_os("PATH").unwrap());
    doctor.env("HOME", rig.at("home"));
    doctor.envs(env.iter().map(|(k, v)| (k, v)));
    let output = String::from_utf8(doctor.output().unwrap().stdout).unwrap();
    let line = output.lines().find(|l| l.contains("agents' login"));
    line.unwrap_or_else(|| panic!("{output}")).to_owned()
}

#[test]
fn doctor_says_which_login_agents_would_use() {
    let rig = Rig::new(1, "[]").with_login("access-dummy", 3600);
    let path = |name: &str| rig.at(name).display().to_string();
    for name in ["token", "key"] {
        fs::write(rig.at(name), "dummy-secret").unwrap();
    }
    let key = ("ANTHROPIC_API_KEY_FILE", path("key"));
    let switch = ("SANDBOX_AGENT_LOGIN", "true".to_owned());
    let file = ("SANDBOX_AGENT_LOGIN_FILE", path("login/.credentials.json"));
    let token = ("SANDBOX_AGENT_TOKEN_FILE", path("token"));
    let mut env = Vec::new();
    let mut all = vec![said(&rig, &env)];
    for more in [vec![key], vec![switch, file], vec![token]] {
        env.extend(more);
        all.push(said(&rig, &env));
    }
    let words = [
        "no login",
        "an API key",
        "your own login",
        "a long-lived token",
    ];
    for (line, word) in all.iter().zip(words) {
        assert!(line.contains(word) && !line.contains("dummy"), "{line}");
    }
    assert!(all[2].contains("good until"), "{}", all[2]);
}

#[test]
fn doctor_says_that_a_login_is_over() {
    let rig = Rig::new(1, "[]").with_login("access-dummy", -3600);
    let file = rig.at("login/.credentials.json").display().to_string();
    let env = [
        ("SANDBOX_AGENT_LOGIN", "true".to_owned()),
        ("SANDBOX_AGENT_LOGIN_FILE", file),
    ];
    let line = said(&rig, &env);
    assert!(line.contains("it is over; open `claude` once"), "{line}");
}
