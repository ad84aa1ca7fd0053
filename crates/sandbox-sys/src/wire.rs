//! What the two sides say to each other: fixed-size messages, so that the side that may not allocate can send and read them.

/// Number of 64-bit words in a message.
pub(crate) const WORDS: usize = 10;
/// Size of a message in bytes.
pub(crate) const SIZE: usize = WORDS * 8;

pub(crate) type Words = [u64; WORDS];

macro_rules! steps {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        /// What the new process was doing when it failed. The text reads after "could not".
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum Step {
            $(#[doc = concat!("Could not ", $text, ".")] $name,)*
        }

        impl Step {
            pub(crate) fn code(self) -> u64 {
                match self { $(Self::$name => $code,)* }
            }

            pub(crate) fn from_code(code: u64) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// What was being done, to be read after "could not".
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

steps! {
    Descriptors = 1, "set its open files apart from ours";
    IdMap = 2, "map its user id";
    Lifetime = 3, "tie its life to ours";
    Hostname = 4, "set its host name";
    Loopback = 5, "bring up its loopback interface";
    Listen = 6, "create the listening sockets";
    Propagation = 7, "cut its mounts off from the system's";
    SourceMount = 8, "copy a mount";
    SourceChanged = 9, "use a directory that was replaced meanwhile";
    Root = 10, "create its root directory";
    Mount = 11, "mount";
    Pivot = 12, "change its root directory";
    Workdir = 13, "enter the working directory";
    Terminal = 14, "create its terminal";
    Order = 15, "understand an order";
    InjectedFile = 16, "put a file in place";
    Seal = 17, "make its root read-only";
    Sysctl = 18, "set a kernel limit";
    ResourceLimit = 19, "set a resource limit";
    Privileges = 20, "drop privileges";
    Landlock = 21, "apply Landlock";
    Seccomp = 22, "apply the system call filter";
    Fork = 23, "fork";
    Stdio = 24, "attach standard input and output";
    Execute = 25, "execute";
    Report = 26, "report";
}

/// From the sandbox's first process to the supervisor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Report {
    /// The inode numbers of its namespaces: user, mount, pid, network, ipc, uts, cgroup.
    Namespaces([u64; 7]),
    /// Listeners exist. Descriptors: TCP/IPv4, DNS over UDP, DNS over TCP; where the kernel has them, TCP/IPv6 and a
    /// `NETLINK_SOCK_DIAG` socket.
    Listening,
    /// The program to run was found: index into the candidates. Descriptor: the open file.
    Found(u64),
    /// No candidate can be executed; the error number that says best why.
    NotFound(i32),
    /// Mounts are in place. Descriptor: the terminal's outer end, if one was asked for.
    Prepared,
    /// The filter is on. Descriptor: its notifications.
    Filtered,
    /// Bit `n` is set if self-test check `n` held.
    SelfTested(u64),
    /// The program runs as this process of the sandbox's own process namespace.
    Started(i32),
    /// Nothing runs: the step, the item of the step's list, the error number.
    Failed(Step, u64, i32),
    /// The program was stopped by this signal.
    Stopped(i32),
    /// The program runs again.
    Continued,
    /// The program ended with this code.
    Exited(i32),
    /// The program was ended by this signal.
    Killed(i32),
    /// Descriptor: the socket that was asked for; none if it could not be made.
    Socket,
}

impl Report {
    pub(crate) fn encode(self) -> Words {
        let mut words = [0; WORDS];
        let mut put = |values: &[u64]| {
            for (slot, value) in words.iter_mut().zip(values) {
                *slot = *value;
            }
        };
        match self {
            Self::Namespaces([a, b, c, d, e, f, g]) => put(&[1, a, b, c, d, e, f, g]),
            Self::Listening => put(&[2]),
            Self::Found(index) => put(&[3, index]),
            Self::NotFound(errno) => put(&[4, signed(errno)]),
            Self::Prepared => put(&[5]),
            Self::Filtered => put(&[6]),
            Self::SelfTested(passed) => put(&[7, passed]),
            Self::Started(pid) => put(&[8, signed(pid)]),
            Self::Failed(step, item, errno) => put(&[9, step.code(), item, signed(errno)]),
            Self::Stopped(signal) => put(&[10, signed(signal)]),
            Self::Continued => put(&[11]),
            Self::Exited(code) => put(&[12, signed(code)]),
            Self::Killed(signal) => put(&[13, signed(signal)]),
            Self::Socket => put(&[14]),
        }
        words
    }

    pub(crate) fn decode(words: Words) -> Option<Self> {
        let [kind, a, b, c, d, e, f, g, _, _] = words;
        Some(match kind {
            1 => Self::Namespaces([a, b, c, d, e, f, g]),
            2 => Self::Listening,
            3 => Self::Found(a),
            4 => Self::NotFound(number(a)?),
            5 => Self::Prepared,
            6 => Self::Filtered,
            7 => Self::SelfTested(a),
            8 => Self::Started(number(a)?),
            9 => Self::Failed(Step::from_code(a)?, b, number(c)?),
            10 => Self::Stopped(number(a)?),
            11 => Self::Continued,
            12 => Self::Exited(number(a)?),
            13 => Self::Killed(number(a)?),
            14 => Self::Socket,
            _ => return None,
        })
    }
}

/// From the supervisor to the sandbox's first process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Order {
    /// Finish the file system and lock the process down. Descriptor: the injected files, see `encode_files`.
    Start,
    /// The self-test was accepted: execute the program.
    Launch,
    /// Send this signal to the terminal's foreground process group, or without a terminal to the program's.
    Signal(i32),
    /// Let the program continue; first, if asked to, give it the terminal.
    Resume {
        /// Whether it gets the terminal.
        foreground: bool,
    },
    /// Make a TCP socket in the sandbox's network and hand it out, unconnected.
    Socket {
        /// Of the IPv6 family.
        v6: bool,
    },
}

impl Order {
    pub(crate) fn encode(self) -> Words {
        let mut words = [0; WORDS];
        let [kind, argument, ..] = &mut words;
        (*kind, *argument) = match self {
            Self::Start => (1, 0),
            Self::Launch => (2, 0),
            Self::Signal(signal) => (3, signed(signal)),
            Self::Resume { foreground } => (4, foreground.into()),
            Self::Socket { v6 } => (5, v6.into()),
        };
        words
    }

    pub(crate) fn decode(words: Words) -> Option<Self> {
        let [kind, argument, ..] = words;
        match kind {
            1 => Some(Self::Start),
            2 => Some(Self::Launch),
            3 => number(argument).map(Self::Signal),
            4 => Some(Self::Resume { foreground: argument == 1 }),
            5 => Some(Self::Socket { v6: argument == 1 }),
            _ => None,
        }
    }
}

fn signed(value: i32) -> u64 {
    i64::from(value).cast_unsigned()
}

fn number(word: u64) -> Option<i32> {
    i32::try_from(word.cast_signed()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_survive_the_wire() {
        let all = [
            Report::Namespaces([1, 2, 3, 4, 5, 6, u64::MAX]),
            Report::Listening,
            Report::Found(3),
            Report::NotFound(libc::ENOENT),
            Report::Prepared,
            Report::Filtered,
            Report::SelfTested(0b101),
            Report::Started(2),
            Report::Failed(Step::Mount, 4, -1),
            Report::Stopped(20),
            Report::Continued,
            Report::Exited(255),
            Report::Killed(9),
            Report::Socket,
        ];
        for report in all {
            assert_eq!(Report::decode(report.encode()), Some(report));
        }
    }

    #[test]
    fn orders_survive_the_wire() {
        let all = [
            Order::Start,
            Order::Launch,
            Order::Signal(15),
            Order::Resume { foreground: true },
            Order::Socket { v6: true },
        ];
        for order in all {
            assert_eq!(Order::decode(order.encode()), Some(order));
        }
    }

    #[test]
    fn an_unknown_message_is_not_understood() {
        assert_eq!(Report::decode([99; WORDS]), None);
        assert_eq!(Order::decode([0; WORDS]), None);
    }
}
