//! Runs the escape suite and prints its table. `report [PREFIX]` runs the cases whose names begin with it.
//!
//! `BAILIWICK_BIN` names the product, `BAILIWICK_ESCAPE_LAUNCHER` a command line to be used in its place; `bwrap` is taken from
//! `PATH`, `target/tools` or `BAILIWICK_BWRAP`.

use std::process::ExitCode;

use bailiwick_escape_tests::programs;

fn main() -> ExitCode {
    let only = std::env::args().nth(1).unwrap_or_default();
    match programs::main(&only) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a program that people run")]
            {
                eprintln!("report: {error}");
            }
            ExitCode::from(2)
        }
    }
}
