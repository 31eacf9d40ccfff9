//! The same bytes there and back, and nothing done with them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result};
use sandbox_tests::figures::Times;

const TURNS: usize = 1_000;

/// A line of so many bytes to another process and back.
pub fn pipe(bytes: usize) -> Result<Times> {
    let mut echo = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to = echo.stdin.take().context("it has an input")?;
    let mut from = BufReader::new(echo.stdout.take().context("it has an output")?);
    let text = "x".repeat(bytes.saturating_sub(1)) + "\n";
    let (mut times, mut line) = (Times::default(), String::new());
    for _ in 0..TURNS {
        line.clear();
        let begun = Instant::now();
        to.write_all(text.as_bytes())?;
        from.read_line(&mut line)?;
        times.since(begun);
    }
    drop(to);
    echo.wait()?;
    Ok(times)
}

/// So many bytes to a thread that answers with so many.
pub fn loopback(asked: usize, told: usize) -> Result<Times> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    client.set_nodelay(true)?;
    let (mut server, _) = listener.accept()?;
    server.set_nodelay(true)?;
    let answering = std::thread::spawn(move || -> Result<()> {
        let (mut question, answer) = (vec![0; asked], vec![b'y'; told]);
        for _ in 0..TURNS {
            server.read_exact(&mut question)?;
            server.write_all(&answer)?;
        }
        Ok(())
    });
    let (question, mut answer) = (vec![b'x'; asked], vec![0; told]);
    let mut times = Times::default();
    for _ in 0..TURNS {
        let begun = Instant::now();
        client.write_all(&question)?;
        client.read_exact(&mut answer)?;
        times.since(begun);
    }
    let ended = answering.join();
    ended.map_err(|_| anyhow::anyhow!("the echo ended"))??;
    Ok(times)
}
