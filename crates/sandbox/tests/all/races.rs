//! Programs that change what they asked for while the answer is being made.

use std::sync::Arc;

use bailiwick_sandbox::Verdict;

use crate::bench::{Bench, Log};
use crate::network::{prepared, serve};

/// One thread connects, another flips the address in memory. What the mediator was asked is what happens, and a connection
/// exists exactly for each yes.
#[test]
fn an_address_that_changes_is_read_once() {
    let bench = Bench::new();
    let (prepared, capture, servers) = prepared(
        &bench,
        "
good = struct.pack('=H', 2) + struct.pack('!H', 443) + bytes([203,0,113,7]) + bytes(8)
bad = struct.pack('=H', 2) + struct.pack('!H', 666) + bytes([203,0,113,66]) + bytes(8)
memory = ctypes.create_string_buffer(good, 16)
stop = False
def flip():
    while not stop:
        ctypes.memmove(memory, bad, 16); ctypes.memmove(memory, good, 16)
t = threading.Thread(target=flip); t.start()
sys.setswitchinterval(0.00001)
ok = 0
for i in range(300):
    s = tcp()
    if libc.connect(s.fileno(), memory, 16) == 0: ok += 1; s.recv(1)
    s.close()
stop = True; t.join(); print(ok)
",
    );
    let (accepted, _serving) = serve(servers);
    let log = Log::new(|call| {
        if call.destination.port() == 443 { Verdict::Listener } else { Verdict::Refuse(libc::EACCES) }
    });
    let outcome = capture.finish(prepared.start(Vec::new(), Arc::clone(&log) as _).unwrap());
    let calls = log.calls();
    assert!(calls.iter().all(|call| {
        [("203.0.113.7:443"), ("203.0.113.66:666")]
            .iter()
            .any(|address| call.destination == address.parse().unwrap())
            || call.destination.port() == 443
            || call.destination.port() == 666
    }));
    let permitted: Vec<_> =
        calls.iter().filter(|call| call.destination.port() == 443).map(|call| call.source).collect();
    let accepted = accepted.lock().unwrap().clone();
    assert_eq!(accepted.len(), permitted.len());
    assert!(accepted.iter().all(|peer| permitted.contains(peer)));
    assert_eq!(outcome.stdout.trim(), permitted.len().to_string(), "{}", outcome.stderr);
}

/// A local socket is let through; one thread replaces it by a TCP socket and the address by our listener's meanwhile. The
/// second lock, or the list of expected sources, must catch what slips through: no connection without a yes.
#[test]
fn a_socket_that_is_replaced_does_not_reach_the_listener() {
    let bench = Bench::new();
    let (prepared, capture, servers) = prepared(
        &bench,
        "
ports = [line.split()[1].split(':') for line in open('/proc/net/tcp').readlines()[1:] if line.split()[3] == '0A']
port = [int(p, 16) for a, p in ports if a == '010012C6' and int(p, 16) != 53][0]
local = struct.pack('=H', 1) + b'nowhere' + bytes(7)
inet = struct.pack('=H', 2) + struct.pack('!H', port) + bytes([198,18,0,1]) + bytes(8)
memory = ctypes.create_string_buffer(local, 16)
number = os.dup(0)
stop = False
def flip():
    while not stop:
        t = tcp(); u = socket.socket(socket.AF_UNIX)
        os.dup2(u.fileno(), number); ctypes.memmove(memory, local, 16)
        os.dup2(t.fileno(), number); ctypes.memmove(memory, inet, 16)
        t.close(); u.close()
t = threading.Thread(target=flip); t.start()
sys.setswitchinterval(0.00001)
for i in range(2000): libc.connect(number, memory, 16)
stop = True; t.join(); print('done')
",
    );
    let landlock = bailiwick_sandbox_sys::landlock_abi() >= 4;
    let (accepted, _serving) = serve(servers);
    let log = Log::new(|_| Verdict::Refuse(libc::EACCES));
    let outcome = capture.finish(prepared.start(Vec::new(), Arc::clone(&log) as _).unwrap());
    assert_eq!(outcome.stdout, "done\n", "{}", outcome.stderr);
    // Before ABI 4 only the gateway's list of expected sources stands there.
    assert!(!landlock || accepted.lock().unwrap().is_empty());
}
