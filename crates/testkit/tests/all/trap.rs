//! The trap notices what reaches it.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use bailiwick_testkit::Trap;
use bailiwick_testkit::trap::Via;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_bare_connection_its_bytes_and_a_datagram_are_noticed() {
    let trap = Trap::silent();
    assert!(trap.touches().is_empty());
    let mut stream = TcpStream::connect(trap.address()).unwrap();
    assert!(trap.wait_for(LIMIT, |touch| touch.via == Via::Tcp && touch.bytes.is_empty()));
    stream.write_all(b"MARKER").unwrap();
    assert!(trap.wait_for(LIMIT, |touch| touch.bytes == b"MARKER"));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"over udp", trap.address()).unwrap();
    assert!(trap.wait_for(LIMIT, |touch| touch.via == Via::Udp && touch.bytes == b"over udp"));
}

#[test]
fn an_answering_trap_answers_and_closes() {
    let trap = Trap::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let mut stream = TcpStream::connect(trap.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}
