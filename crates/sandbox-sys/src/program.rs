//! Everything that the new process needs to know, computed before it exists.
//!
//! Plain data: C strings, bytes, numbers. Paths of the new root have no leading `/` and no `..`.

use std::ffi::CString;
use std::os::fd::RawFd;

/// Device and inode number of a directory that was looked at when the plan was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// A directory or file of the host that becomes visible.
#[derive(Clone, Debug)]
pub struct Bind {
    /// Path on the host.
    pub source: CString,
    /// Path in the new root.
    pub target: CString,
    /// `MOUNT_ATTR_*` bits added to the mount and all below it (mount_setattr(2)).
    pub attributes: u64,
    /// The source must still be this file.
    pub identity: Option<Identity>,
    /// A source that does not exist, or that may not be read, is passed over.
    pub optional: bool,
}

/// One piece of the new file system. Executed in order.
#[derive(Clone, Debug)]
pub enum Mount {
    /// A directory of the new root with these permissions.
    Directory {
        /// Path in the new root.
        target: CString,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Path in the new root.
        target: CString,
        /// What it points to.
        to: CString,
    },
    /// A file of the new root, in memory.
    File {
        /// Path in the new root.
        target: CString,
        /// Permission bits.
        mode: u32,
        /// What is in it.
        contents: Vec<u8>,
    },
    /// Something of the host.
    Bind(Bind),
    /// A directory in memory that stays writable when the root becomes read-only.
    Scratch {
        /// Path in the new root.
        target: CString,
        /// Permission bits.
        mode: u32,
        /// `MOUNT_ATTR_*` bits.
        attributes: u64,
    },
    /// The process file system of the sandbox's own process namespace, read-only.
    Proc,
    /// A terminal file system of its own at `dev/pts`.
    Terminals,
    /// Hides what is at this path, file or directory; nothing if there is nothing.
    Mask {
        /// Path in the new root.
        target: CString,
    },
}

/// The sandbox's own network.
#[derive(Clone, Debug)]
pub struct NetworkProgram {
    /// rtnetlink requests, one message each: first those that must succeed.
    pub required: Vec<Vec<u8>>,
    /// rtnetlink requests that may fail (a host without IPv6).
    pub optional: Vec<Vec<u8>>,
    /// Address of the listeners.
    pub v4: [u8; 4],
    /// Address of the IPv6 listener.
    pub v6: [u8; 16],
}

/// A kernel setting that belongs to the new namespaces.
#[derive(Clone, Debug)]
pub struct Sysctl {
    /// Path under `/proc/sys`.
    pub path: CString,
    /// What is written.
    pub value: Vec<u8>,
    /// Whether the sandbox must not start without it.
    pub required: bool,
}

/// A limit of setrlimit(2). Never above what is already in force.
#[derive(Clone, Copy, Debug)]
pub struct ResourceLimit {
    /// `RLIMIT_*`.
    pub resource: u32,
    /// Soft and hard limit.
    pub value: u64,
}

/// A Landlock rule set.
#[derive(Clone, Debug)]
pub struct LandlockProgram {
    /// Handled file system rights.
    pub filesystem: u64,
    /// Handled network rights.
    pub network: u64,
    /// Scopes.
    pub scopes: u64,
    /// Size of `struct landlock_ruleset_attr` that this kernel knows.
    pub attribute_size: usize,
    /// Paths inside the sandbox and the rights on everything beneath. A path that does not exist is passed over: nothing is
    /// allowed there.
    pub rules: Vec<(CString, u64)>,
}

/// One instruction of a classic BPF program (`struct sock_filter`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BpfInstruction {
    /// Operation.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// Constant.
    pub k: u32,
}

/// Standard input, output and error.
#[derive(Clone, Debug)]
pub struct StdioProgram {
    /// The supervisor's descriptor for each stream; none means the terminal.
    pub streams: [Option<RawFd>; 3],
    /// The terminal to make inside the sandbox, if any stream wants one.
    pub terminal: Option<TerminalProgram>,
}

/// A terminal made inside the sandbox.
#[derive(Clone, Copy, Debug)]
pub struct TerminalProgram {
    /// Its size.
    pub size: WindowSize,
    /// Whether the program starts in its foreground.
    pub foreground: bool,
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// What the sandbox tries, in itself, before the program may run.
#[derive(Clone, Debug)]
pub struct SelfTest {
    /// A file of the host that exists, is readable outside, and must not be found inside.
    pub hidden: CString,
    /// A file of the new root that exists and is under no Landlock rule.
    pub forbidden: CString,
    /// The directory that must be writable.
    pub workdir: CString,
    /// The error number with which the supervisor answers the one `connect` of the test.
    pub connect_answer: i32,
    /// Number of the user id outside.
    pub uid: u32,
}

macro_rules! checks {
    ($($name:ident = $bit:literal, $text:literal;)*) => {
        /// One check of the self-test.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum Check {
            $(#[doc = $text] $name,)*
        }

        impl Check {
            /// Every check.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its place in the mask of passed checks.
            #[must_use]
            pub fn bit(self) -> u64 {
                match self { $(Self::$name => 1 << $bit,)* }
            }

            /// What was tried, and what had to happen.
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

checks! {
    HiddenFile = 0, "a file of the host that the plan does not name was not found";
    Landlock = 1, "a visible file under no rule could not be opened";
    ReadOnlyRoot = 2, "a file could not be created in the root directory";
    Workspace = 3, "a file could be created in the working directory";
    SocketFamily = 4, "a vsock socket was refused";
    SocketProtocol = 5, "a multipath TCP socket was refused";
    SystemCall = 6, "a kernel keyring call was refused";
    Namespaces = 7, "a new user namespace was refused";
    Connect = 8, "a connect was answered by the supervisor";
    Capabilities = 9, "no capability is left";
    NoNewPrivileges = 10, "no_new_privs is set";
    FirstProcess = 11, "the process namespace is its own";
    UserId = 12, "the user id is the same as outside";
}

/// Everything, ready to be executed.
#[derive(Clone, Debug)]
pub struct Program {
    /// Contents of uid_map and gid_map (user_namespaces(7)).
    pub uid_map: Vec<u8>,
    /// See `uid_map`.
    pub gid_map: Vec<u8>,
    /// Host name inside.
    pub hostname: Vec<u8>,
    /// The network.
    pub network: NetworkProgram,
    /// Size limit of everything in memory, as tmpfs(5) writes it.
    pub memory_size: CString,
    /// Limit of the number of files in memory, as tmpfs(5) writes it.
    pub memory_files: CString,
    /// The file system.
    pub mounts: Vec<Mount>,
    /// Kernel settings.
    pub sysctls: Vec<Sysctl>,
    /// Resource limits.
    pub limits: Vec<ResourceLimit>,
    /// Absolute paths inside at which the program may be, best first.
    pub candidates: Vec<CString>,
    /// Arguments; the first is the program's name.
    pub argv: Vec<CString>,
    /// Environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// Absolute path inside.
    pub workdir: CString,
    /// Standard streams.
    pub stdio: StdioProgram,
    /// Landlock.
    pub landlock: LandlockProgram,
    /// The system call filter; its one listener notifies the supervisor.
    pub filter: Vec<BpfInstruction>,
    /// The self-test.
    pub self_test: SelfTest,
}

/// Packs files for [`Order::Start`](crate::Order::Start): for each, the permission bits, the length of the path with its NUL,
/// the length of the contents, all as little-endian 64-bit numbers, then path and contents. Paths are paths of the new root.
#[must_use]
pub fn encode_files<'a>(files: impl IntoIterator<Item = (&'a std::ffi::CStr, u32, &'a [u8])>) -> Vec<u8> {
    let mut packed = Vec::new();
    for (path, mode, contents) in files {
        let path = path.to_bytes_with_nul();
        for number in [u64::from(mode), path.len() as u64, contents.len() as u64] {
            packed.extend_from_slice(&number.to_le_bytes());
        }
        packed.extend_from_slice(path);
        packed.extend_from_slice(contents);
    }
    packed
}
