//! Third-party programs that tests drive: the machine's own, or those that `cargo xtask tools` fetched.

use std::path::{Path, PathBuf};

/// Where `cargo xtask tools` puts what it fetches.
pub fn directory() -> PathBuf {
    std::env::var_os("BAILIWICK_TEST_TOOLS").map_or_else(|| target().join("tools"), PathBuf::from)
}

/// The checkout's root, or the copy that another user can read.
pub fn repository() -> PathBuf {
    let built_in = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf();
    std::env::var_os("BAILIWICK_TEST_REPO").map_or_else(built_in, PathBuf::from)
}

/// The path of a program, fetched or on `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let fetched = directory().join("bin");
    std::iter::once(fetched)
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(program))
        .find(|candidate| {
            rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok() && candidate.is_file()
        })
}

/// Says visibly that a case did not run, and why. It is not a pass: the line is what a reader looks for.
pub fn not_tested(case: &str, why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "not tested on this host: {case}: {why}");
}

/// The target directory that this test binary lies in: `target/debug/deps/all-…` → `target`.
pub(crate) fn target() -> PathBuf {
    let binary = std::env::current_exe().expect("this test's own path");
    binary.ancestors().nth(3).expect("a test binary lies in target/PROFILE/deps").to_path_buf()
}
