//! Every way out of the network, and the one way through.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailiwick_sandbox::{Connect, Exit, Network, Verdict};

use crate::bench::{Bench, Capture, Log, Outcome, PYTHON, Refuse, Servers, prepare, run};

/// A Python program with what most of these need.
const PRELUDE: &str = "
import socket, os, ctypes, errno, struct, threading, sys
def name(e): return 'EOPNOTSUPP' if e == errno.EOPNOTSUPP else errno.errorcode.get(e, e)
def tried(f):
    try: f(); return 'ok'
    except OSError as e: return name(e.errno)
def tcp(): return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
libc = ctypes.CDLL(None, use_errno=True)
";

/// Runs a program whose accepted connections are answered with `hello PEER` and closed.
fn served(
    program: &str,
    verdict: impl Fn(&Connect) -> Verdict + Send + Sync + 'static,
) -> (Outcome, Vec<Connect>, Vec<SocketAddr>) {
    let bench = Bench::new();
    let (prepared, capture, servers) = prepared(&bench, program);
    let (accepted, serving) = serve(servers);
    let log = Log::new(verdict);
    let outcome = capture.finish(prepared.start(Vec::new(), Arc::clone(&log) as _).unwrap());
    drop(serving);
    let peers = accepted.lock().unwrap().clone();
    (outcome, log.calls(), peers)
}

pub(crate) fn prepared(bench: &Bench, program: &str) -> (bailiwick_sandbox::Prepared, Capture, Servers) {
    let program = format!("{PRELUDE}{program}");
    let (mut prepared, capture) = prepare(bench.plan(&[PYTHON, "-c", &program])).unwrap();
    let servers = prepared.take_listeners().unwrap().into();
    assert!(prepared.take_listeners().is_none());
    (prepared, capture, servers)
}

/// Accepts on both listeners; what the returned value keeps alive dies with the test process.
pub(crate) fn serve(servers: Servers) -> (Arc<Mutex<Vec<SocketAddr>>>, Vec<mpsc::Sender<()>>) {
    let accepted = Arc::new(Mutex::new(Vec::new()));
    for listener in [Some(servers.tcp4), servers.tcp6].into_iter().flatten() {
        let accepted = Arc::clone(&accepted);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let peer = stream.peer_addr().unwrap();
                accepted.lock().unwrap().push(peer);
                let _ = stream.write_all(format!("hello {peer}").as_bytes());
            }
        });
    }
    (accepted, Vec::new())
}

/// What a daemon without resources says: loopback is the sandbox's own.
fn to_listener(connect: &Connect) -> Verdict {
    if connect.destination.ip().is_loopback() { Verdict::Inside } else { Verdict::Listener }
}

#[test]
fn any_address_reaches_the_listener_and_is_known() {
    let (outcome, calls, peers) = served(
        "
s = tcp(); s.connect(('203.0.113.7', 5432)); print(s.recv(99).decode())
print(s.getsockname()[1], os.getpid() > 0, tried(lambda: s.connect(('203.0.113.7', 5432))))
",
        to_listener,
    );
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.stderr);
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call.destination, "203.0.113.7:5432".parse().unwrap());
    assert_eq!(peers, [call.source]);
    assert_eq!(outcome.stdout, format!("hello {}\n{} True EISCONN\n", call.source, call.source.port()));
    assert_eq!(call.process.exe, PathBuf::from(PYTHON).canonicalize().unwrap());
    assert_eq!(call.process.uid, rustix::process::geteuid().as_raw());
    assert!(call.process.start_time > 0 && call.process.pid > 1);
}

#[test]
fn a_refusal_is_the_error_number_of_the_verdict() {
    let (outcome, calls, peers) = served(
        "
for address in (('203.0.113.7', 443), ('10.0.0.1', 22), ('169.254.169.254', 80)): print(tried(lambda: tcp().connect(address)))
",
        |_| Verdict::Refuse(libc::EHOSTUNREACH),
    );
    assert_eq!(outcome.stdout, "EHOSTUNREACH\nEHOSTUNREACH\nEHOSTUNREACH\n");
    assert_eq!(calls.len(), 3);
    assert_eq!(peers, []);
}

#[test]
fn a_verdict_without_an_error_number_still_refuses() {
    let (outcome, _, peers) =
        served("print(tried(lambda: tcp().connect(('203.0.113.7', 1))))", |_| Verdict::Refuse(0));
    assert_eq!(outcome.stdout, "EACCES\n");
    assert_eq!(peers, []);
}

#[test]
fn a_non_blocking_connect_is_in_progress_and_then_done() {
    let (outcome, calls, peers) = served(
        "
import select
s = tcp(); s.setblocking(False)
first = s.connect_ex(('203.0.113.7', 443))
print(first in (0, errno.EINPROGRESS))
select.select([], [s], [])
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
print(name(s.connect_ex(('203.0.113.8', 444))) in ('EISCONN', 0))
s.setblocking(True); print(s.recv(5).decode(), s.getblocking())
",
        to_listener,
    );
    assert_eq!(outcome.stdout, "True\n0\nTrue\nhello True\n", "{}", outcome.stderr);
    assert_eq!((calls.len(), peers.len()), (1, 1));
}

#[test]
fn a_connection_can_be_undone_and_made_anew() {
    let (outcome, calls, peers) = served(
        "
s = tcp(); s.connect(('203.0.113.7', 443)); s.recv(5)
unspec = struct.pack('=H14x', 0)
print(libc.connect(s.fileno(), unspec, 16), tried(s.getpeername))
s.connect(('203.0.113.8', 444)); print(s.recv(5).decode())
",
        to_listener,
    );
    assert_eq!(outcome.stdout, "0 ENOTCONN\nhello\n", "{}", outcome.stderr);
    let ports: Vec<u16> = calls.iter().map(|call| call.destination.port()).collect();
    assert_eq!(ports, [443, 444]);
    assert_eq!(peers.len(), 2);
}

#[test]
fn ipv6_and_mapped_addresses_arrive_as_what_they_are() {
    let (outcome, calls, peers) = served(
        "
s = socket.socket(socket.AF_INET6); s.connect(('::ffff:203.0.113.7', 80)); print(s.recv(5).decode())
s = socket.socket(socket.AF_INET6); print(tried(lambda: s.connect(('2001:db8::1', 443))))
s = socket.socket(socket.AF_INET6); print(tried(lambda: s.connect(('::ffff:127.0.0.1', 1))))
",
        to_listener,
    );
    let destinations: Vec<IpAddr> = calls.iter().map(|call| call.destination.ip()).collect();
    assert_eq!(destinations.first(), Some(&"203.0.113.7".parse().unwrap()));
    // A host without IPv6 has no such listener.
    if outcome.stdout == "hello\nok\nECONNREFUSED\n" {
        assert_eq!(destinations.get(1), Some(&"2001:db8::1".parse().unwrap()));
        assert_eq!(peers.len(), 2);
    } else {
        assert_eq!(outcome.stdout, "hello\nENETUNREACH\nECONNREFUSED\n");
        assert_eq!(peers.len(), 1);
    }
    let outward = calls.iter().filter(|call| !call.destination.ip().is_loopback());
    let mut sources: Vec<SocketAddr> = outward.map(|call| call.source).collect();
    let mut peers = peers;
    sources.sort();
    peers.sort();
    assert_eq!(sources, peers);
}

#[test]
fn a_source_the_program_bound_is_kept() {
    let (outcome, calls, peers) = served(
        "
s = tcp(); s.bind(('0.0.0.0', 0)); port = s.getsockname()[1]; s.connect(('203.0.113.7', 443)); print(s.getsockname()[1] == port)
s = tcp(); s.bind(('127.0.0.1', 0)); s.connect(('203.0.113.7', 443)); print(s.getsockname()[0])
",
        to_listener,
    );
    assert_eq!(outcome.stdout, "True\n127.0.0.1\n", "{}", outcome.stderr);
    let sources: Vec<SocketAddr> = calls.iter().map(|call| call.source).collect();
    assert_eq!(sources, peers);
}

#[test]
fn loopback_stays_inside_and_never_reaches_the_listeners() {
    let bench = Bench::new();
    let (prepared, capture, servers) = prepared(
        &bench,
        "
l = tcp(); l.bind(('0.0.0.0', 0)); l.listen(); port = l.getsockname()[1]
for address in ('127.0.0.1', '127.9.9.9', '0.0.0.0', '198.18.0.1', 'localhost'):
    c = tcp(); c.connect((address, port)); l.accept()[0].send(b'x'); assert c.recv(1) == b'x', address
ours = [line.split()[1].split(':') for line in open('/proc/net/tcp').readlines()[1:] if line.split()[3] == '0A']
ours = {int(p, 16) for a, p in ours if a == '010012C6'} - {53}
print(len(ours))
for p in ours:
    for address in ('198.18.0.1', '127.0.0.1', '0.0.0.0'): print(tried(lambda: tcp().connect((address, p))))
    six = socket.socket(socket.AF_INET6); print(tried(lambda: six.connect(('::ffff:198.18.0.1', p))))
    bound = tcp(); bound.bind(('198.18.0.1', 0)); print(tried(lambda: bound.connect(('0.0.0.0', p))))
",
    );
    let (accepted, _serving) = serve(servers);
    let log = Log::new(to_listener);
    let outcome = capture.finish(prepared.start(Vec::new(), Arc::clone(&log) as _).unwrap());
    assert_eq!(outcome.stdout, format!("1\n{}", "ECONNREFUSED\n".repeat(5)), "{}", outcome.stderr);
    assert_eq!(accepted.lock().unwrap().as_slice(), []);
    // Loopback is asked about, for a service of the host may be meant; the sandbox's own address is not.
    assert!(log.calls().iter().all(|call| call.destination.ip().is_loopback()), "{:?}", log.calls());
}

#[test]
fn names_go_to_the_resolver_outside() {
    let bench = Bench::new();
    let (prepared, capture, servers) = prepared(
        &bench,
        "
print(tried(lambda: socket.getaddrinfo('name.example', 80)))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(('198.18.0.1', 53)); u.send(b'q'); print(u.recv(9))
t = tcp(); t.connect(('198.18.0.1', 53)); print(t.recv(9))
",
    );
    let (asked, questions) = mpsc::channel();
    let dns = servers.dns_udp;
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = dns.recv_from(&mut buffer) {
            let question = buffer[..length].to_vec();
            if length > 12 {
                // The question again, as an answer that there is no such name.
                let mut answer = question.clone();
                answer[2..4].copy_from_slice(&[0x81, 0x83]);
                dns.send_to(&answer, peer).unwrap();
            } else {
                dns.send_to(b"answer", peer).unwrap();
            }
            asked.send(question).unwrap();
        }
    });
    let tcp = servers.dns_tcp;
    std::thread::spawn(move || tcp.accept().unwrap().0.write_all(b"stream").unwrap());
    let log = Log::new(to_listener);
    let outcome = capture.finish(prepared.start(Vec::new(), Arc::clone(&log) as _).unwrap());
    assert!(outcome.stdout.ends_with("b'answer'\nb'stream'\n"), "{} {}", outcome.stdout, outcome.stderr);
    let first = questions.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(first.windows(5).any(|part| part == b"\x04name"), "{first:?}");
    assert!(log.calls().is_empty());
}

#[test]
fn udp_goes_nowhere_else() {
    let host = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let program = format!(
        "
u = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(tried(lambda: u().connect(('8.8.8.8', 53))), tried(lambda: u().sendto(b'x', ('8.8.8.8', 443))))
u().sendto(b'x', ('127.0.0.1', {port}))
a = u(); a.bind(('127.0.0.1', 0)); b = u(); b.connect(a.getsockname()); b.send(b'in'); print(a.recv(9))
print(libc.connect(b.fileno(), struct.pack('=H14x', 0), 16), tried(b.getpeername))
",
        port = host.local_addr().unwrap().port()
    );
    let (outcome, calls, _) = served(&program, to_listener);
    assert_eq!(outcome.stdout, "ENETUNREACH ENETUNREACH\nb'in'\n0 ENOTCONN\n", "{}", outcome.stderr);
    assert!(calls.is_empty());
    assert!(host.recv(&mut [0; 9]).is_err(), "the host's loopback is another one");
}

#[test]
fn without_a_network_only_loopback_works() {
    let bench = Bench::new();
    let program = format!(
        "{PRELUDE}
l = tcp(); l.bind(('127.0.0.1', 0)); l.listen(); c = tcp(); c.connect(l.getsockname())
print(tried(lambda: tcp().connect(('203.0.113.7', 443))))"
    );
    let mut plan = bench.plan(&[PYTHON, "-c", &program]);
    plan.network = Network::None;
    let log = Log::new(to_listener);
    let outcome = run(plan, Arc::clone(&log) as _).unwrap();
    assert_eq!(outcome.stdout, "ENETUNREACH\n", "{}", outcome.stderr);
    assert!(log.calls().is_empty());
}

#[test]
fn the_hosts_loopback_is_out_of_reach() {
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let address = host.local_addr().unwrap();
    std::net::TcpStream::connect(address).unwrap();
    host.accept().unwrap();
    let program = format!("print(tried(lambda: tcp().connect(('127.0.0.1', {}))))", address.port());
    let (outcome, ..) = served(&program, to_listener);
    assert_eq!(outcome.stdout, "ECONNREFUSED\n");
    assert!(host.accept().is_err());
}

#[test]
fn connects_that_are_not_called_connect_are_refused() {
    let (outcome, calls, peers) = served(
        "
print(tried(lambda: tcp().sendto(b'x', 0x20000000, ('203.0.113.7', 443))))
print(tried(lambda: tcp().sendmsg([b'x'], [], 0x20000000, ('203.0.113.7', 443))))
print(tried(lambda: tcp().setsockopt(6, 30, 1)))
print(tried(lambda: tcp().setsockopt(6, 31, b'tls')))
class M(ctypes.Structure): _fields_ = [('b', ctypes.c_char * 64)]
libc.sendmmsg(tcp().fileno(), ctypes.byref(M()), 1, 0x20000000); print(name(ctypes.get_errno()))
",
        to_listener,
    );
    assert_eq!(
        outcome.stdout, "EOPNOTSUPP\nEOPNOTSUPP\nENOPROTOOPT\nENOPROTOOPT\nEOPNOTSUPP\n",
        "{}",
        outcome.stderr
    );
    assert!(calls.is_empty());
    assert_eq!(peers, []);
}

#[test]
fn only_ordinary_sockets_exist() {
    let (outcome, ..) = served(
        "
for family, kind, protocol in ((1,1,0),(1,5,0),(2,1,0),(2,1,6),(2,2,17),(10,1,6),(10,2,0),(16,3,0),(16,2,0)):
    if tried(lambda: socket.socket(family, kind, protocol)) != 'ok': print('missing', family, kind, protocol)
for family, kind, protocol in ((1,2,0),(1,3,0),(2,1,262),(2,1,132),(2,5,132),(2,1,256),(2,2,1),(2,2,136),(10,2,58),(2,3,1),(2,3,255),(10,1,262)):
    if tried(lambda: socket.socket(family, kind, protocol)) != 'EPROTONOSUPPORT': print('open', family, kind, protocol)
for family in list(range(3, 10)) + list(range(11, 16)) + list(range(17, 46)) + [2**32 + 46]:
    if libc.syscall(41, ctypes.c_ulong(family), 3, 0) != -1 or ctypes.get_errno() != errno.EAFNOSUPPORT: print('open', family)
for protocol in list(range(1, 22)):
    if tried(lambda: socket.socket(16, 3, protocol)) != 'EAFNOSUPPORT': print('netlink', protocol)
if tried(lambda: socket.socketpair(socket.AF_INET)) == 'ok': print('pair')
if tried(lambda: socket.socketpair(socket.AF_UNIX, 2)) == 'ok': print('datagram pair')
a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'
print('done')
",
        to_listener,
    );
    assert_eq!(outcome.stdout, "done\n", "{}", outcome.stderr);
}

#[test]
fn odd_arguments_get_the_kernels_errors() {
    let (outcome, calls, peers) = served(
        "
def raw(fd, address, length):
    libc.connect(fd, address, length); return name(ctypes.get_errno())
good = struct.pack('!H', 443); good = struct.pack('=H', 2) + good + bytes([203,0,113,7]) + bytes(8)
s = tcp()
print(raw(s.fileno(), ctypes.c_void_p(8), 16), raw(s.fileno(), None, 16))
print(raw(s.fileno(), good, 1), raw(s.fileno(), good, 15), raw(s.fileno(), good, 129), raw(s.fileno(), good, 0))
print(raw(999, good, 16), raw(0, good, 16), raw(-1, good, 16))
print(raw(s.fileno(), struct.pack('=H', 10) + good[2:] + bytes(12), 28), raw(s.fileno(), struct.pack('=H', 99) + good[2:], 16))
six = socket.socket(socket.AF_INET6); print(raw(six.fileno(), good, 16), raw(six.fileno(), struct.pack('=H', 10) + bytes(10), 12))
n = socket.socket(16, 3, 0); print(raw(n.fileno(), struct.pack('=HHII', 16, 0, 0, 0), 12))
l = tcp(); l.listen(); print(raw(l.fileno(), good, 16))
",
        to_listener,
    );
    assert_eq!(
        outcome.stdout,
        "EFAULT EFAULT\nEINVAL EINVAL EINVAL EINVAL\nEBADF ENOTSOCK EBADF\nEAFNOSUPPORT EAFNOSUPPORT\nEAFNOSUPPORT EINVAL\nEPERM\nEISCONN\n",
        "{}",
        outcome.stderr
    );
    assert!(calls.is_empty());
    assert_eq!(peers, []);
}

#[test]
fn local_sockets_work_inside_and_do_not_lead_out() {
    let bench = Bench::new();
    let outside = std::os::unix::net::UnixListener::bind(bench.path("socket")).unwrap();
    outside.set_nonblocking(true).unwrap();
    // One in the workspace, where its name is visible; and the same under a name that the program may move.
    let shared = std::os::unix::net::UnixListener::bind(bench.path("work/shared")).unwrap();
    shared.set_nonblocking(true).unwrap();
    let abstract_name = format!("bailiwick-test-{}", std::process::id());
    let address = <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(
        &abstract_name,
    )
    .unwrap();
    let hidden = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    hidden.set_nonblocking(true).unwrap();
    let (prepared, capture, _servers) = prepared(
        &bench,
        &format!(
            "
u = lambda: socket.socket(socket.AF_UNIX)
l = u(); l.bind('sock'); l.listen(); c = u(); c.connect('sock'); print('inside')
l = u(); l.bind('\\0inner'); l.listen(); c = u(); c.connect('\\0inner'); print('abstract')
print(tried(lambda: u().connect('{}')), tried(lambda: u().connect('\\0{abstract_name}')))
os.symlink('shared', 'link'); os.link('shared', 'hard'); os.mkdir('d'); os.rename('hard', 'd/hard')
for path in ('shared', './shared', os.getcwd() + '/shared', 'link', 'd/hard', 'd/../shared', '/proc/self/cwd/shared'):
    print(path.rsplit('/')[-1], tried(lambda: u().connect(path)))
l = u(); l.bind('d/in'); l.listen(); os.chdir('d'); c = u(); c.connect('in'); c.send(b'x'); print(l.accept()[0].recv(1))
",
            bench.path("socket").display()
        ),
    );
    let outcome = capture.finish(prepared.start(Vec::new(), Refuse::all()).unwrap());
    assert_eq!(
        outcome.stdout,
        "inside\nabstract\nENOENT ECONNREFUSED\nshared ECONNREFUSED\nshared ECONNREFUSED\nshared ECONNREFUSED\nlink ECONNREFUSED\nhard ECONNREFUSED\nshared ECONNREFUSED\nshared ENOENT\nb'x'\n",
        "{}",
        outcome.stderr
    );
    assert!(outside.accept().is_err() && hidden.accept().is_err() && shared.accept().is_err());
    std::os::unix::net::UnixStream::connect(bench.path("work/shared")).unwrap();
    assert!(shared.accept().is_ok(), "it was there to be reached");
}

#[test]
fn a_mediator_that_waits_holds_up_nobody_else() {
    // The verdict on the first waits until the second has been asked for, by another process.
    let (second, wait) = mpsc::channel::<()>();
    let (second, wait) = (Mutex::new(second), Mutex::new(wait));
    let (outcome, calls, _) = served(
        "
if os.fork() == 0:
    tcp().connect(('203.0.113.1', 1)); os._exit(0)
while not any(l.split()[1] == 'x' for l in ['. x']): pass
tcp().connect(('203.0.113.2', 2)); os.wait(); print('both')
",
        move |call| {
            if call.destination.port() == 1 {
                wait.lock().unwrap().recv_timeout(Duration::from_secs(20)).unwrap();
            } else {
                second.lock().unwrap().send(()).unwrap();
            }
            Verdict::Listener
        },
    );
    assert_eq!(outcome.stdout, "both\n", "{}", outcome.stderr);
    assert_eq!(calls.len(), 2);
}

#[test]
fn one_process_may_only_wait_so_often() {
    let gate = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
    let held = Arc::clone(&gate);
    let (outcome, calls, _) = served(
        "
results = []
def one(i): results.append(tried(lambda: tcp().connect(('203.0.113.1', 1))))
threads = [threading.Thread(target=one, args=(i,)) for i in range(24)]
[t.start() for t in threads]
while results.count('EAGAIN') < 8: os.sched_yield()
tcp_free = tried(lambda: tcp().connect(('203.0.113.1', 2)))
if os.fork() == 0:
    print(tried(lambda: tcp().connect(('203.0.113.1', 3))), flush=True); os._exit(0)
os.wait(); [t.join() for t in threads]; print(results.count('ok'), results.count('EAGAIN'), tcp_free)
",
        move |call| {
            let (open, changed) = &*held;
            let mut open = open.lock().unwrap();
            if call.destination.port() == 3 {
                *open = true;
                changed.notify_all();
            }
            while !*open {
                open = changed.wait_timeout(open, Duration::from_secs(20)).unwrap().0;
            }
            Verdict::Listener
        },
    );
    assert_eq!(outcome.stdout, "ok\n16 8 EAGAIN\n", "{}", outcome.stderr);
    assert_eq!(calls.len(), 17);
}

#[test]
fn a_backlog_that_is_full_does_not_stop_the_others() {
    let (outcome, ..) = served(
        "
l = tcp(); l.bind(('127.0.0.1', 0)); l.listen(0)
fill = [tcp() for i in range(8)]
for s in fill: s.setblocking(False); s.connect_ex(l.getsockname())
t = threading.Thread(target=lambda: tried(lambda: tcp().connect(l.getsockname())), daemon=True); t.start()
s = tcp(); s.connect(('203.0.113.7', 443)); print(s.recv(5).decode(), flush=True); os._exit(0)
",
        to_listener,
    );
    assert_eq!(outcome.stdout, "hello\n", "{}", outcome.stderr);
}

#[test]
fn data_flows_both_ways() {
    let bench = Bench::new();
    let (prepared, capture, servers) = prepared(
        &bench,
        "
s = tcp(); s.connect(('203.0.113.7', 443)); s.sendall(b'x' * 1000000); s.shutdown(1)
n = 0
while d := s.recv(65536): n += len(d)
print(n)
",
    );
    let server = std::thread::spawn(move || {
        let (mut stream, _) = servers.tcp4.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
        all.len()
    });
    let outcome = capture.finish(prepared.start(Vec::new(), Log::new(to_listener)).unwrap());
    assert_eq!(server.join().unwrap(), 1_000_000);
    assert_eq!(outcome.stdout, "1000000\n", "{}", outcome.stderr);
}

#[test]
fn listeners_stand_where_they_say_and_in_their_own_network() {
    let bench = Bench::new();
    let (_prepared, _capture, servers) = prepared(&bench, "");
    assert_eq!(servers.tcp4.local_addr().unwrap(), servers.addresses.tcp4.into());
    assert_eq!(servers.dns_udp.local_addr().unwrap(), "198.18.0.1:53".parse().unwrap());
    assert_eq!(servers.dns_tcp.local_addr().unwrap(), "198.18.0.1:53".parse().unwrap());
    assert_ne!(servers.addresses.netns_cookie, 0);
    assert!(
        std::net::TcpStream::connect_timeout(&servers.addresses.tcp4.into(), Duration::from_millis(100))
            .is_err()
    );
}
