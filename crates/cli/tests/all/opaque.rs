//! Services of the host that nobody looks into: `resource add NAME --address HOST:PORT --protocol tcp`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bailiwick_testkit::{World, tools};
use serde_json::Value;

use crate::told::{fails, until};

/// A service that answers every client with its words in capitals.
fn service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client: TcpStream = client.unwrap();
            let mut words = String::new();
            client.read_to_string(&mut words).unwrap();
            client.write_all(words.to_uppercase().as_bytes()).unwrap();
        }
    });
    port
}

const ASK: &str = "
import socket, sys
for host in '127.0.0.1', 'localhost':
    try:
        s = socket.create_connection((host, int(sys.argv[1])), 20)
        s.sendall(b'hello'); s.shutdown(socket.SHUT_WR); print(s.recv(100).decode() or 'closed')
    except OSError as e: print(e.strerror)
";

#[test]
fn each_connection_is_decided_and_recorded_and_nothing_is_injected() {
    let world = World::new();
    let port = service();
    let ask = || world.script(&format!("/usr/bin/python3 -c \"{ASK}\" {port}")).ok().stdout();
    assert_eq!(ask(), "Connection refused\n".repeat(2), "loopback inside is the sandbox's own");

    let address = format!("127.0.0.1:{port}");
    world.bailiwick().run(["resource", "add", "db", "--address", &address, "--protocol", "tcp"]).ok();
    assert_eq!(ask(), "HELLO\nHELLO\n");
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let rows: Vec<_> =
        log.iter().filter(|row| row["resource"] == "db" && row["operation"] == "net.connect").collect();
    assert_eq!(rows.len(), 2, "{log:#?}");
    assert!(rows.iter().all(|row| row["decision"] == "permit" && row["outcome"] == "ok"), "{rows:#?}");

    let policies = world.home.path().join("policies");
    std::fs::create_dir_all(&policies).unwrap();
    let forbid =
        "@id(\"no-db\") forbid(principal, action == Action::\"net.connect\", resource == Resource::\"db\");";
    std::fs::write(policies.join("own.cedar"), forbid).unwrap();
    let checked = world.bailiwick().run(["policy", "check"]);
    assert_eq!(checked.code(), 0, "{}{}", checked.stdout(), checked.stderr());
    until("the policy is in force", || !ask().contains("HELLO"));
}

#[test]
fn what_cannot_be_is_refused_with_the_way_to_say_it() {
    let world = World::new();
    let bailiwick = world.bailiwick();
    let add = |rest: &[&str]| {
        let mut words = vec!["resource", "add", "db", "--address"];
        words.extend(rest);
        words.into_iter().map(ToOwned::to_owned).collect::<Vec<String>>()
    };
    fails(
        &bailiwick,
        &add(&["127.0.0.1:5432", "--protocol", "tcp", "--token-stdin"]),
        2,
        "nothing can be",
        "--token-stdin",
    );
    fails(
        &bailiwick,
        &add(&["127.0.0.1:5432", "--protocol", "tcp", "--template", "git"]),
        2,
        "nothing can be",
        "--template",
    );
    fails(&bailiwick, &add(&["127.0.0.1", "--protocol", "tcp"]), 2, "needs a port", "resource add --help");
    fails(
        &bailiwick,
        &add(&["https://example.com", "--protocol", "tcp"]),
        2,
        "https://example.com",
        "resource add --help",
    );
}

/// A real database, its own client, and a password that only these two know.
#[test]
fn postgres_is_reached_by_its_own_client() {
    let Some(programs) = programs() else {
        return tools::not_tested("postgres", "it is not installed");
    };
    let world = World::new();
    let database = Database::start(&world, &programs);
    let address = format!("127.0.0.1:{}", database.port);
    world.bailiwick().run(["resource", "add", "db", "--address", &address, "--protocol", "tcp"]).ok();
    let psql = programs.join("psql");
    let query = format!(
        "PGPASSWORD=MARKER-of-the-agents-own {} -h 127.0.0.1 -p {} -U tester -d postgres -Atc 'select 6 * 7'",
        psql.display(),
        database.port
    );
    assert_eq!(world.script(&query).ok().stdout(), "42\n");
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .find(|programs| programs.join("initdb").exists())
}

struct Database {
    port: u16,
    server: Child,
    data: PathBuf,
}

impl Database {
    fn start(world: &World, programs: &Path) -> Self {
        let data = tempfile::Builder::new().prefix("bailiwick-postgres-").tempdir_in("/tmp").unwrap().keep();
        let password = data.with_extension("password");
        std::fs::write(&password, "MARKER-of-the-agents-own\n").unwrap();
        // It refuses to run as root.
        let user = rustix::process::geteuid().is_root().then_some(65534);
        if user.is_some() {
            for path in [&data, &password] {
                std::os::unix::fs::chown(path, user, user).unwrap();
            }
        }
        let command = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.env("LC_ALL", "C").current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
            if let Some(user) = user {
                command.uid(user).gid(user);
            }
            command
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let made = command("initdb")
            .args(["-U", "tester", "-A", "scram-sha-256", "-N", "--pwfile"])
            .arg(&password)
            .arg("-D")
            .arg(&data)
            .status();
        assert!(made.unwrap().success(), "initdb failed; {}", world.home.path().display());
        let server = command("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", "", "-F"])
            .spawn()
            .unwrap();
        until("the database listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        std::fs::remove_file(password).unwrap();
        Self { port, server, data }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SIGINT: fast shutdown.
        if let Some(pid) = rustix::process::Pid::from_raw(self.server.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}
