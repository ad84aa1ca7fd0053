//! The system call filter: one program, installed once, with the supervisor as its only listener.

mod assembler;
mod rules;
#[cfg(test)]
mod tests;

use bailiwick_sandbox_sys::BpfInstruction;

/// The filter for this machine; `None` where we have no list of its system calls.
pub(crate) fn filter() -> Option<Vec<BpfInstruction>> {
    assembler::Machine::current().map(|machine| assembler::assemble(machine, &rules::rules()))
}
