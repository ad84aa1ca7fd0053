//! The secret is looked for everywhere while a session that used it is alive: it is in the daemon and nowhere else.

use bailiwick_testkit::hunt::{contains, descendants, in_files, in_process, running};
use bailiwick_testkit::world::TOKEN;
use bailiwick_testkit::{Terminal, tools};

use crate::attack::service;

/// Something that *is* given to the sandbox, so that a hunt that finds nothing can be told from one that looked nowhere.
const CONTROL: &str = "MARKER-given-to-the-sandbox-3e9b";

#[test]
fn the_secret_is_in_the_daemon_and_nowhere_else() {
    let (world, upstream) = service();
    let reveal = upstream.url("/reveal?header=authorization");
    let script = format!(
        "curl -sS '{reveal}' > revealed; echo {CONTROL} > control; ulimit -c unlimited || true\n\
         (kill -SEGV $BASHPID) 2>/dev/null || true\necho r\"\"eady; sleep 1000; true"
    );
    let session = world.terminal(["bash", "-c", &script, CONTROL]);
    session.expect("ready");
    assert!(
        upstream.seen().iter().any(|seen| seen.header("authorization").ends_with(TOKEN)),
        "it was never used"
    );

    memory(&session);
    let files = in_files(world.home.scratch(), TOKEN.as_bytes());
    assert!(files.is_empty(), "{files:?}");
    let control = in_files(world.home.scratch(), CONTROL.as_bytes());
    assert!(control.contains(&world.home.workspace().join("control")), "{control:?}");
    assert!(!contains(&session.raw(), TOKEN.as_bytes()), "it crossed the terminal");

    let bailiwick = world.bailiwick();
    for arguments in [vec!["log", "--json"], vec!["explain", "-", "--json"], vec!["ledger", "export"]] {
        let finished = bailiwick.run(&arguments).ok();
        assert!(!finished.stdout.is_empty(), "{arguments:?}");
        assert!(!contains(&finished.stdout, TOKEN.as_bytes()), "{arguments:?}");
    }
    if is_root() {
        let daemons = running(bailiwick.program());
        let holds = |pid: &u32| in_process(*pid, TOKEN.as_bytes()).is_ok_and(|places| !places.is_empty());
        assert!(
            daemons.iter().any(holds),
            "no daemon holds the secret: the hunt cannot find it where it must be"
        );
    }
}

/// Every process inside, from outside.
fn memory(session: &Terminal) {
    let inside = descendants(session.id());
    assert!(!inside.is_empty(), "nothing runs inside");
    let (mut searched, mut control) = (0, 0);
    for pid in inside {
        match in_process(pid, TOKEN.as_bytes()) {
            Ok(places) => {
                assert!(places.is_empty(), "process {pid}: {places:?}");
                searched += 1;
                control +=
                    usize::from(in_process(pid, CONTROL.as_bytes()).is_ok_and(|places| !places.is_empty()));
            }
            // The launcher's own processes are closed to its user as well; as root they are searched.
            Err(error) => tools::not_tested("memory of a process", &error.to_string()),
        }
    }
    assert!(searched > 0 && control > 0, "{searched} processes searched, the control was in {control}");
}

/// Only root can look into the daemon, which is not dumpable.
fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line == "Uid:\t0\t0\t0\t0")
}
