//! Over real sockets: plain, TLS, and the end.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

use super::world::World;

/// A certificate for localhost that nobody should trust, made for these tests; valid until 2126.
const CERT: &str = include_str!("served/cert.pem");
const KEY: &str = include_str!("served/key.pem");

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn answer(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop_and_ends_its_streams() {
    let world = World::open();
    world.echo("x").await;
    let (face, _dir) = world.into_face();
    let (listener, address) = listener();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(face.serve(listener, async move {
        let _ = stopped.await;
    }));
    let plain = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(answer(address, plain).await.starts_with("HTTP/1.1 200"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let events = "GET /events?since=0 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(events.as_bytes()).await.unwrap();
    let mut heard = String::new();
    while !heard.contains("id: 1") {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    stop.send(()).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_is_no_http_harms_nobody() {
    let (face, _dir) = World::open().into_face();
    let (listener, address) = listener();
    let served = tokio::spawn(face.serve(listener, std::future::pending()));
    let told = answer(address, "NONSENSE\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    let plain = "GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    assert!(answer(address, plain).await.starts_with("HTTP/1.1 200"));
    served.abort();
}

fn over_tls(address: SocketAddr) -> String {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CERT.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(tls, std::net::TcpStream::connect(address).unwrap());
    let request = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn it_speaks_tls_with_the_certificate_it_is_given() {
    let (face, dir) = World::open().into_face();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, CERT).unwrap();
    std::fs::write(&key, KEY).unwrap();
    let (listener, address) = listener();
    let served = tokio::spawn(async move {
        face.serve_tls(listener, (&cert, &key), std::future::pending())
            .await
    });
    let told = tokio::task::spawn_blocking(move || over_tls(address))
        .await
        .unwrap();
    assert!(
        told.starts_with("HTTP/1.1 200") && told.contains("healthy"),
        "{told}"
    );
    served.abort();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_an_error() {
    let (face, dir) = World::open().into_face();
    let path = dir.path().join("none.pem");
    let (listener, _) = listener();
    let served = face.serve_tls(listener, (&path, &path), std::future::pending());
    assert!(served.await.is_err());
}
