//! From outside to a listener inside, and no further.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::bench::{Bench, Capture, PYTHON, Refuse, prepare};
use bailiwick_sandbox::Inward;

/// A server on the loopback inside that answers `count` clients with their words in capitals, and says where it listens.
const SERVER: &str = r#"
import socket, sys
family, host, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
server = socket.socket(family, socket.SOCK_STREAM)
server.bind((host, 0)); server.listen()
open("port.tmp", "w").write(str(server.getsockname()[1]))
import os; os.rename("port.tmp", "port")
for _ in range(count):
    client, peer = server.accept()
    client.sendall(client.recv(100).upper() + b" " + peer[0].encode()); client.close()
"#;

fn serve(bench: &Bench, family: &str, host: &str, count: usize) -> (Inward, std::thread::JoinHandle<String>) {
    let plan = bench.plan(&[PYTHON, "-c", SERVER, family, host, &count.to_string()]);
    let (prepared, capture): (_, Capture) = prepare(plan).unwrap();
    let mut running = prepared.start(Vec::new(), Refuse::all()).unwrap();
    let inward = running.inward();
    (inward, std::thread::spawn(move || capture.finish(running).stderr))
}

fn port(bench: &Bench) -> u16 {
    for _ in 0..3000 {
        if let Some(port) = bench.left("port") {
            return port.parse().unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("nobody listens inside");
}

#[test]
fn a_listener_inside_is_reached_over_either_family() {
    for (family, host) in [("2", "127.0.0.1"), ("10", "::1"), ("2", "0.0.0.0")] {
        let bench = Bench::new();
        let (inward, ended) = serve(&bench, family, host, 3);
        let port = port(&bench);
        for _ in 0..3 {
            let mut stream = inward.connect(port).unwrap();
            stream.write_all(b"hello").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, if family == "2" { "HELLO 127.0.0.1" } else { "HELLO ::1" });
        }
        assert_eq!(ended.join().unwrap(), "");
        assert!(inward.connect(port).is_err(), "the sandbox has ended");
    }
}

/// The host listens where the sandbox does not: had the connection gone there, it would have been accepted.
#[test]
fn what_listens_on_the_host_is_not_reached() {
    let bench = Bench::new();
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let (inward, ended) = serve(&bench, "2", "127.0.0.1", 1);
    let inside = port(&bench);
    let error = inward.connect(host.local_addr().unwrap().port()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    host.set_nonblocking(true).unwrap();
    assert!(host.accept().is_err(), "the host's listener was reached");
    inward.connect(inside).unwrap().write_all(b"x").unwrap();
    ended.join().unwrap();
}
