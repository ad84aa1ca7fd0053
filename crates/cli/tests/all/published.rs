//! `run --publish`: the host's loopback reaches a listener inside, and nothing goes the other way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use bailiwick_testkit::product::{LIMIT, finish};
use bailiwick_testkit::{Terminal, World};
use serde_json::Value;

use crate::told::{fails, records, until};

/// Answers each of two clients with its words in capitals.
const SERVER: &str = "
import socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
for _ in range(2):
    client, _ = server.accept()
    words = b''
    while chunk := client.recv(100): words += chunk
    client.sendall(words.upper()); client.close()
";

/// A port that nobody on this machine uses now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What comes back; empty where nobody listens inside yet.
fn ask(address: SocketAddr) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let mut answer = String::new();
    let _ = stream.write_all(b"hello inside").and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn the_hosts_loopback_reaches_a_listener_inside_and_it_is_on_record() {
    let world = World::new();
    let port = free_port();
    let report = world.home.scratch().join("report.json");
    let mut command = world.bailiwick().command(["run", "--publish", &port.to_string(), "--report"]);
    command.arg(&report).args(["--", "/usr/bin/python3", "-c", SERVER, &port.to_string()]);
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    until("a listener inside answers over IPv4", || ask(v4) == "HELLO INSIDE");
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let both = TcpStream::connect(v6).is_ok_and(|mut stream| {
        let mut answer = String::new();
        stream.write_all(b"six").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        answer == "SIX"
    });
    if !both {
        assert!(
            TcpListener::bind("[::1]:0").is_err(),
            "this machine has IPv6, and the port is not published there"
        );
        assert_eq!(ask(v4), "HELLO INSIDE");
    }
    assert!(child.wait().unwrap().success());
    assert!(TcpStream::connect(v4).is_err(), "the port is open after the run");

    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["evidence"]["published"][0], v4.to_string(), "{report:#}");
    let measured = records(&world)
        .into_iter()
        .any(|record| record.to_string().contains(&format!("\"published\":[\"{v4}\"")));
    assert!(measured, "no record says what was published");
}

/// Inside, the published port is the loopback inside: nobody listens there. On the host's it would be accepted.
#[test]
fn a_published_port_is_no_way_out() {
    let world = World::new();
    let (port, other) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let script = "
import socket, sys
for host in '127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0':
    for port in sys.argv[1:]:
        try: socket.create_connection((host, int(port)), 5); print('connected', host, port)
        except ConnectionRefusedError: print('refused')
";
    let ports = [port, other.local_addr().unwrap().port()].map(|port| port.to_string());
    let mut command =
        world.bailiwick().command(["run", "--publish", &ports[0], "--", "/usr/bin/python3", "-c", script]);
    command.args(&ports);
    assert_eq!(finish(command, b"", LIMIT).ok().stdout(), "refused\n".repeat(8));
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err());
}

#[test]
fn what_cannot_be_published_is_said_before_anything_runs() {
    let world = World::new();
    let bailiwick = world.bailiwick();
    let run = |wanted: &str| ["run", "--publish", wanted, "--", "touch", "ran"].map(ToOwned::to_owned);
    fails(&bailiwick, &run("0.0.0.0:3000"), 2, "would let other machines reach", "--publish 3000");
    fails(&bailiwick, &run("web"), 2, "does not name a port", "--publish 3000");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fails(&bailiwick, &run(&port), 125, "cannot publish on 127.0.0.1", "publish another port");
    assert!(!world.home.workspace().join("ran").exists());
}

/// Listens for as long as it takes to be noticed, and says when.
fn lasting(port: u16) -> String {
    format!(
        "import socket, time; server = socket.create_server(('127.0.0.1', {port})); print('ready', flush=True); time.sleep(4)"
    )
}

#[test]
fn what_listens_inside_is_said_once_and_not_where_it_is_published() {
    let world = World::new();
    let port = free_port();
    let said = |options: &[&str]| {
        let mut command = world.bailiwick().command(["run"]);
        command.args(options).args(["--", "/usr/bin/python3", "-c", &lasting(port)]);
        finish(command, b"", LIMIT).stderr()
    };
    let line = format!(
        "bailiwick: listens inside: port {port}; `bailiwick run --publish {port}` lets this machine reach it\n"
    );
    // Nor are the gateway's own listeners said.
    assert_eq!(said(&[]).matches("listens inside").count(), 1);
    assert_eq!(said(&["--offline"]).matches(&line).count(), 1);
    assert!(!said(&["--publish", &port.to_string()]).contains("listens inside"));
}

#[test]
fn at_a_terminal_it_is_a_notification_and_a_line_of_the_summary() {
    let world = World::new();
    let port = free_port();
    let command = world.bailiwick().command(["run", "--", "/usr/bin/python3", "-c", &lasting(port)]);
    let mut terminal = Terminal::spawn(&command, 40, 120);
    terminal.wait_for_exit();
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let notification = format!("\x1b]9;bailiwick: listens inside: port {port};");
    assert_eq!(raw.matches(&notification).count(), 1, "{raw:?}");
    assert!(raw.contains(&format!("  listened inside: port {port};")), "{raw:?}");
}
