use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bailiwick_escape_tests::expected::{Verdict, expected};
use bailiwick_escape_tests::judge::Observed;
use bailiwick_escape_tests::programs;

const ENTRY: [&str; 4] = ["--exact", "inside_the_world", "--nocapture", "--test-threads=1"];
/// A user who owns nothing.
const NOBODY: &str = "54321";

#[test]
fn every_attack_comes_to_what_is_expected() {
    let program = std::env::current_exe().unwrap();
    run(programs::outside(&program, ENTRY.map(OsString::from).to_vec()).unwrap());
}

/// Root's attacks are others than an ordinary user's, in both directions.
#[test]
fn so_it_does_for_root_as_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: not root, so the suite has run as an ordinary user already");
        return;
    }
    let product =
        programs::product().expect("the product is not built; run `cargo build -p bailiwick` first");
    let folder = tempfile::Builder::new().prefix("bailiwick-suite-").tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(from, &to).unwrap();
        to
    };
    let program = copy(&std::env::current_exe().unwrap(), "suite");
    let product = copy(&product, "bailiwick");
    let bubblewrap = programs::bubblewrap().map(|bwrap| copy(&bwrap, "bwrap"));
    // Built by root, as the sources may be root's alone; entered by the user.
    let probe = bailiwick_escape_tests::world::build_probe(folder.path()).unwrap();
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        NOBODY,
        "--regid",
        NOBODY,
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
        "--",
    ]);
    command.arg(&program).args(
        ENTRY.map(|word| if word == "inside_the_world" { "suite::entered_as_somebody_else" } else { word }),
    );
    command.env("BAILIWICK_BIN", product).env("BAILIWICK_ESCAPE_BUILT", probe).current_dir(folder.path());
    if let Some(bubblewrap) = bubblewrap {
        command.env("BAILIWICK_BWRAP", bubblewrap);
    }
    run(command);
}

/// Not a test of its own: the second user's process, which enters the world from there.
#[test]
fn entered_as_somebody_else() {
    let Some(probe) = std::env::var_os("BAILIWICK_ESCAPE_BUILT") else { return };
    let program = std::env::current_exe().unwrap();
    let entry = ENTRY.map(OsString::from);
    let mut command = bailiwick_escape_tests::world::enter(&program, Path::new(&probe), entry).unwrap();
    command.env_remove("BAILIWICK_ESCAPE_BUILT");
    assert!(command.status().unwrap().success());
}

#[track_caller]
#[expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test's own words, outside of a test function"
)]
fn run(mut command: Command) {
    let ended = command.output().map(|output| {
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), table, String::from_utf8_lossy(&output.stderr).into_owned())
    });
    let (succeeded, table, errors) = ended.expect("unshare or setpriv (util-linux) starts");
    eprintln!("{table}");
    assert!(succeeded, "{table}\n{errors}");
}

/// A table that could be satisfied by anything would prove nothing.
#[test]
fn a_verdict_holds_only_for_what_it_says() {
    assert!(Verdict::Closed.holds(Observed::Closed));
    assert!(!Verdict::Closed.holds(Observed::AtExit) && !Verdict::Closed.holds(Observed::Open));
    assert!(Verdict::AtExit.holds(Observed::AtExit) && Verdict::AtExit.holds(Observed::Closed));
    assert!(!Verdict::AtExit.holds(Observed::Open));
    assert!(Verdict::ByDesign.holds(Observed::Open) && !Verdict::ByDesign.holds(Observed::Closed));
    assert!(expected().unwrap().values().all(|line| !line.layer.is_empty()), "every line names a layer");
}
