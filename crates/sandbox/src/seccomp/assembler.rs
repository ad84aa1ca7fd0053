//! Turns a list of rules into classic BPF.
//!
//! Hand-made because the notify action is needed and because the whole program should fit in one's head: for each system call
//! named, the tests in order; the first that matches decides; whatever nothing matches is allowed. Every jump goes forward over
//! a handful of instructions, so no offset can overflow.

use bailiwick_sandbox_sys::BpfInstruction;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const MASK: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const NUMBER: u32 = 0; // offsets in `struct seccomp_data`
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// What the kernel does with a system call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Carries it out.
    Allow,
    /// Ends the process.
    Kill,
    /// Lets the supervisor answer it.
    Notify,
    /// Fails with this error number.
    Refuse(i32),
}

impl Action {
    pub(crate) fn encode(self) -> u32 {
        match self {
            Self::Allow => 0x7fff_0000,
            Self::Kill => 0x8000_0000,
            Self::Notify => 0x7fc0_0000,
            Self::Refuse(errno) => 0x0005_0000 | (errno.unsigned_abs() & 0xffff),
        }
    }
}

/// A condition on the low 32 bits of one argument: all that the kernel looks at in the arguments named by our rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Test {
    /// `argument & mask == value`
    Equals { argument: u8, mask: u32, value: u32 },
    /// `argument & mask != value`
    Differs { argument: u8, mask: u32, value: u32 },
    /// `argument & mask != 0`
    AnyBit { argument: u8, mask: u32 },
}

/// One rule: if all the tests hold, the action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Rule {
    pub(crate) call: i64,
    pub(crate) tests: Vec<Test>,
    pub(crate) action: Action,
}

/// The machine a filter is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Machine {
    /// `AUDIT_ARCH_*`
    pub(crate) architecture: u32,
    /// Numbers from here on belong to another calling convention (x32).
    pub(crate) foreign_from: Option<u32>,
}

impl Machine {
    /// The machine this program was compiled for; `None` where we have no list.
    pub(crate) fn current() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self { architecture: 0xc000_003e, foreign_from: Some(0x4000_0000) })
        } else if cfg!(target_arch = "aarch64") {
            Some(Self { architecture: 0xc000_00b7, foreign_from: None })
        } else {
            None
        }
    }
}

/// Assembles the rules. Rules of one call are tried in the order given.
pub(crate) fn assemble(machine: Machine, rules: &[Rule]) -> Vec<BpfInstruction> {
    let mut program = vec![
        plain(LOAD, ARCHITECTURE),
        jump(JUMP_EQUAL, machine.architecture, 1, 0),
        plain(RETURN, Action::Kill.encode()),
        plain(LOAD, NUMBER),
    ];
    if let Some(first) = machine.foreign_from {
        program.push(jump(JUMP_AT_LEAST, first, 0, 1));
        program.push(plain(RETURN, Action::Kill.encode()));
    }
    for rule in rules {
        program.extend(rule_program(rule));
    }
    program.push(plain(RETURN, Action::Allow.encode()));
    program
}

/// Expects the call's number in the accumulator, and leaves it there if the rule does not match.
fn rule_program(rule: &Rule) -> Vec<BpfInstruction> {
    let number = u32::try_from(rule.call).unwrap_or(u32::MAX);
    let restore = if rule.tests.is_empty() { 0 } else { 1 };
    let body = rule.tests.iter().map(|test| test_length(*test)).sum::<u8>() + 1 + restore;
    let mut program = vec![jump(JUMP_EQUAL, number, 0, body)];
    // What is left of the rule after the current test, up to but without the instruction that restores the number.
    let mut left = body - restore;
    for test in &rule.tests {
        left -= test_length(*test);
        program.extend(test_program(*test, left));
    }
    program.push(plain(RETURN, rule.action.encode()));
    if restore == 1 {
        program.push(plain(LOAD, NUMBER));
    }
    program
}

fn test_length(test: Test) -> u8 {
    match test {
        Test::Equals { .. } | Test::Differs { .. } => 3,
        Test::AnyBit { .. } => 2,
    }
}

/// Skips `left` instructions if the test does not hold.
fn test_program(test: Test, left: u8) -> Vec<BpfInstruction> {
    match test {
        Test::Equals { argument, mask, value } => {
            vec![load(argument), plain(MASK, mask), jump(JUMP_EQUAL, value, 0, left)]
        }
        Test::Differs { argument, mask, value } => {
            vec![load(argument), plain(MASK, mask), jump(JUMP_EQUAL, value, left, 0)]
        }
        Test::AnyBit { argument, mask } => vec![load(argument), jump(JUMP_ANY_BIT, mask, 0, left)],
    }
}

/// The low half of an argument; both machines are little-endian.
fn load(argument: u8) -> BpfInstruction {
    plain(LOAD, ARGUMENTS + 8 * u32::from(argument))
}

fn plain(code: u16, k: u32) -> BpfInstruction {
    BpfInstruction { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> BpfInstruction {
    BpfInstruction { code, jt, jf, k }
}
