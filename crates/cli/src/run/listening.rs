//! What begins to listen inside: said once for each port, with the command that would let this machine reach it.
//!
//! It is read from outside, from the kernel's own table of the sandbox's network; nothing inside is asked. It tells a person, and decides
//! nothing.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// How often it is looked. What listens for a shorter time is no service.
const EVERY: Duration = Duration::from_secs(1);
/// The most ports that are said in one run.
const MOST: usize = 8;
/// The most of a table that is read, in bytes.
const TABLE: u64 = 1 << 20;
/// `TCP_LISTEN`, as the table writes it.
const LISTENS: &str = "0A";

/// Says a port.
pub(super) type Say = Box<dyn Fn(u16) + Send>;

/// Looks until it is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    said: Arc<Mutex<BTreeSet<u16>>>,
    _watch: mpsc::Sender<()>,
}

impl Listening {
    /// Looks at the network of process `pid`. What listens at the addresses `ours`, or at ports that are `published`, is not said.
    pub(super) fn watch(pid: i32, ours: Vec<SocketAddr>, published: BTreeSet<u16>, say: Say) -> Self {
        let said = Arc::new(Mutex::new(BTreeSet::new()));
        let (watch, ended) = mpsc::channel::<()>();
        let shared = Arc::clone(&said);
        let look = move || {
            let mut before = BTreeSet::new();
            while ended.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                let now = ports(pid, &ours);
                let mut said = shared.lock().unwrap_or_else(PoisonError::into_inner);
                // Seen twice: what a test opens for a moment is nothing to tell.
                for port in now.intersection(&before).filter(|port| !published.contains(port)) {
                    if said.len() < MOST && said.insert(*port) {
                        say(*port);
                    }
                }
                before = now;
            }
        };
        // Without it nothing is said, which is all that it is for.
        let _ = thread::Builder::new().name("listening".to_owned()).spawn(look);
        Self { said, _watch: watch }
    }

    /// A line for each port that was said.
    pub(super) fn notes(&self) -> Vec<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(|port| format!("listened inside: {}", told(*port))).collect()
    }
}

/// The port, and how it is reached.
pub(crate) fn told(port: u16) -> String {
    format!("port {port}; `bailiwick run --publish {port}` lets this machine reach it")
}

fn ports(pid: i32, ours: &[SocketAddr]) -> BTreeSet<u16> {
    let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{pid}/net/{table}"));
    let addresses = tables.iter().flat_map(|table| {
        let mut text = String::new();
        // A table that is not there, as without IPv6, has nobody who listens.
        let read = File::open(table).and_then(|file| file.take(TABLE).read_to_string(&mut text));
        if read.is_ok() { listeners(&text) } else { Vec::new() }
    });
    addresses.filter(|address| !ours.contains(address)).map(|address| address.port()).collect()
}

/// Who listens, of a table in the form of `/proc/net/tcp` (proc_net(5)).
fn listeners(table: &str) -> Vec<SocketAddr> {
    let row = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        (state == LISTENS).then(|| address(local)).flatten()
    };
    table.lines().filter_map(row).collect()
}

/// `0100007F:1F90`: the address in words of the machine's own order, the port as it is written.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(host.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let host: IpAddr = match host.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words: [[u8; 4]; 4] = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(host, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000\n";
        assert_eq!(listeners(table), ["127.0.0.1:8080".parse().unwrap()]);
        let six = "   0: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 0\n";
        assert_eq!(listeners(six), ["[::1]:3000".parse().unwrap()]);
        for broken in ["", "x", "0: 01:0 0 0A", "0: zz00007F:1F90 0 0A", "0: 0100007F 0 0A"] {
            assert_eq!(listeners(broken), [], "{broken}");
        }
    }

    #[test]
    fn a_listener_of_this_process_is_found_and_ours_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(ports(pid, &[]).contains(&address.port()));
        assert!(!ports(pid, &[address]).contains(&address.port()));
    }
}
