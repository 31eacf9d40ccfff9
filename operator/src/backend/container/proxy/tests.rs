//! Who is let through, and what arrives there.

use tokio::net::TcpListener;

use super::*;

fn hosts(text: &str) -> Hosts {
    Hosts::parse(text).unwrap_or_default()
}

#[test]
fn only_what_stands_on_the_list_is_permitted() {
    let hosts = hosts("github.com, *.example.org, forge.local:8443, 127.0.0.1:9");
    for (host, port) in [
        ("github.com", 443),
        ("GitHub.com", 80),
        ("a.b.example.org", 443),
        ("forge.local", 8443),
        ("127.0.0.1", 9),
    ] {
        assert!(hosts.permits(host, port), "{host}:{port}");
    }
    for (host, port) in [
        ("github.com", 22),
        ("notgithub.com", 443),
        ("github.com.evil.org", 443),
        ("example.org", 443),
        ("evilexample.org", 443),
        ("forge.local", 443),
        ("127.0.0.1", 80),
    ] {
        assert!(!hosts.permits(host, port), "{host}:{port}");
    }
}

#[test]
fn an_entry_that_is_no_host_is_refused() {
    for text in [
        "https://github.com",
        "a b",
        "*",
        "*.",
        "host:x",
        "[::1]:443",
    ] {
        assert!(Hosts::parse(text).is_err(), "{text}");
    }
    assert!(Hosts::parse(DEFAULT_HOSTS).is_ok());
}

#[test]
fn a_plain_request_is_forwarded_without_what_was_for_the_proxy() {
    let head = "GET http://host:8080/a?b HTTP/1.1\r\nHost: host:8080\r\nProxy-Connection: x\r\n\
                Connection: keep-alive\r\n\r\n";
    let asked = Asked::parse(head);
    let forward = "GET /a?b HTTP/1.1\r\nHost: host:8080\r\nConnection: close\r\n\r\n";
    assert_eq!(
        asked,
        Some(Asked {
            host: "host".to_owned(),
            port: 8080,
            forward: Some(forward.to_owned()),
        })
    );
}

#[test]
fn what_is_no_request_to_a_proxy_is_none() {
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "CONNECT host HTTP/1.1\r\n\r\n",
        "CONNECT host:x HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET ftp://host/ HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(Asked::parse(head), None, "{head}");
    }
}

#[test]
fn addresses_of_this_machine_are_not_outside() {
    for inside in [
        "127.0.0.1",
        "169.254.169.254",
        "::1",
        "0.0.0.0",
        "::ffff:127.0.0.1",
        "fe80::1",
    ] {
        assert!(inside.parse().is_ok_and(|ip| !is_outside(ip)), "{inside}");
    }
    assert!("192.0.2.1".parse().is_ok_and(is_outside));
}

/// What a server on loopback answers, asked through the proxy.
async fn asked(allowed: bool, request: &str) -> io::Result<String> {
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let port = server.local_addr()?.port();
    tokio::spawn(async move {
        let (mut stream, _) = server.accept().await?;
        head(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhere").await
    });
    let list = if allowed { port } else { 1 };
    let hosts = hosts(&format!("127.0.0.1:{list}"));
    let (mut client, ours) = UnixStream::pair()?;
    tokio::spawn(async move { pass(ours, &hosts).await });
    let request = request.replace("PORT", &port.to_string());
    client.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_listed_server_is_reached_plainly_and_by_a_tunnel() -> io::Result<()> {
    let plain = asked(true, "GET http://127.0.0.1:PORT/ HTTP/1.1\r\n\r\n").await?;
    assert!(plain.ends_with("here"), "{plain}");
    let tunnel = "CONNECT 127.0.0.1:PORT HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let tunnel = asked(true, tunnel).await?;
    assert!(
        tunnel.starts_with("HTTP/1.1 200 Connection") && tunnel.ends_with("here"),
        "{tunnel}"
    );
    Ok(())
}

#[tokio::test]
async fn another_server_is_refused_by_name() -> io::Result<()> {
    let answer = asked(false, "CONNECT 127.0.0.1:PORT HTTP/1.1\r\n\r\n").await?;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("SANDBOX_CONTAINER_HOSTS"), "{answer}");
    Ok(())
}
