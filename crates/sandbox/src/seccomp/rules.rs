//! Which system calls a program inside does not get.
//!
//! Three kinds: those that widen what the sandbox closed (mounts, namespaces, other processes' memory), those that are large and
//! rarely needed parts of the kernel (io_uring, BPF, perf, keyrings), and those that would reach the network past the
//! supervisor. What an ordinary program does without noticing a sandbox stays allowed.

use super::assembler::{Action, Rule, Test};

const LOW: u32 = u32::MAX;
/// `SOCK_NONBLOCK` and `SOCK_CLOEXEC` may be mixed into the type.
const SOCKET_TYPE: u32 = 0xf;

const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .cast_unsigned();
/// Shares its bit with the exit signal of clone(2), so it only means something to unshare(2).
const NEW_TIME_NAMESPACE: u32 = 0x80;

/// Not in `libc` for every target yet; the numbers from 424 on are the same on all of ours.
const OPEN_TREE_ATTR: i64 = 467;

/// Calls that are refused whatever their arguments.
const REFUSED: &[i64] = &[
    // Mounts, old and new.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    // Namespaces and other processes.
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Large parts of the kernel.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
];

/// Calls only this machine has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// The whole list.
pub(crate) fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = REFUSED
        .iter()
        .chain(REFUSED_HERE)
        .map(|call| rule(*call, &[], Action::Refuse(libc::EPERM)))
        .collect();
    rules.push(rule(libc::SYS_connect, &[], Action::Notify));
    rules.extend(namespace_rules());
    rules.extend(socket_rules());
    rules.extend(fast_open_rules());
    rules.extend(terminal_rules());
    rules.extend(process_rules());
    rules
}

fn rule(call: i64, tests: &[Test], action: Action) -> Rule {
    Rule { call, tests: tests.to_vec(), action }
}

fn equals(argument: u8, value: i32) -> Test {
    Test::Equals { argument, mask: LOW, value: value.cast_unsigned() }
}

/// clone3 hides its flags in memory, where a filter cannot look: "not implemented" makes every libc use clone.
fn namespace_rules() -> Vec<Rule> {
    let new = Test::AnyBit { argument: 0, mask: NEW_NAMESPACES };
    let new_time = Test::AnyBit { argument: 0, mask: NEW_TIME_NAMESPACE };
    vec![
        rule(libc::SYS_clone, &[new], Action::Refuse(libc::EPERM)),
        rule(libc::SYS_unshare, &[new], Action::Refuse(libc::EPERM)),
        rule(libc::SYS_unshare, &[new_time], Action::Refuse(libc::EPERM)),
        rule(libc::SYS_clone3, &[], Action::Refuse(libc::ENOSYS)),
    ]
}

/// Allowed: local sockets that are connected, TCP, UDP, and netlink for reading one's own addresses. By family, type *and*
/// protocol: multipath TCP, SCTP and SMC are TCP to a program but not to Landlock. A local datagram names its receiver with each
/// message, past the supervisor: it could reach a socket file of the host in the workspace.
fn socket_rules() -> Vec<Rule> {
    let kind = |value: i32| Test::Equals { argument: 1, mask: SOCKET_TYPE, value: value.cast_unsigned() };
    let mut rules = Vec::new();
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        for connected in [libc::SOCK_STREAM, libc::SOCK_SEQPACKET] {
            rules.push(rule(call, &[equals(0, libc::AF_UNIX), kind(connected)], Action::Allow));
        }
        rules.push(rule(call, &[equals(0, libc::AF_UNIX)], Action::Refuse(libc::EPROTONOSUPPORT)));
    }
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (socket, protocol) in
            [(libc::SOCK_STREAM, libc::IPPROTO_TCP), (libc::SOCK_DGRAM, libc::IPPROTO_UDP)]
        {
            for number in [0, protocol] {
                let tests = [equals(0, family), kind(socket), equals(2, number)];
                rules.push(rule(libc::SYS_socket, &tests, Action::Allow));
            }
        }
        rules.push(rule(libc::SYS_socket, &[equals(0, family)], Action::Refuse(libc::EPROTONOSUPPORT)));
    }
    for socket in [libc::SOCK_RAW, libc::SOCK_DGRAM] {
        let tests = [equals(0, libc::AF_NETLINK), kind(socket), equals(2, libc::NETLINK_ROUTE)];
        rules.push(rule(libc::SYS_socket, &tests, Action::Allow));
    }
    rules.push(rule(libc::SYS_socket, &[], Action::Refuse(libc::EAFNOSUPPORT)));
    rules.push(rule(libc::SYS_socketpair, &[], Action::Refuse(libc::EAFNOSUPPORT)));
    rules
}

/// TCP Fast Open connects without `connect`; upper-layer protocols turn a TCP socket into something else.
fn fast_open_rules() -> Vec<Rule> {
    let fast_open = |argument: u8| Test::AnyBit { argument, mask: libc::MSG_FASTOPEN.cast_unsigned() };
    let mut rules = vec![
        rule(libc::SYS_sendto, &[fast_open(3)], Action::Refuse(libc::EOPNOTSUPP)),
        rule(libc::SYS_sendmsg, &[fast_open(2)], Action::Refuse(libc::EOPNOTSUPP)),
        rule(libc::SYS_sendmmsg, &[fast_open(3)], Action::Refuse(libc::EOPNOTSUPP)),
    ];
    for option in [libc::TCP_FASTOPEN_CONNECT, libc::TCP_ULP] {
        let tests = [equals(1, libc::IPPROTO_TCP), equals(2, option)];
        rules.push(rule(libc::SYS_setsockopt, &tests, Action::Refuse(libc::ENOPROTOOPT)));
    }
    rules
}

/// Requests that type into a terminal, or turn it into something else.
fn terminal_rules() -> Vec<Rule> {
    const TIOCCONS: u64 = 0x541d;
    const TIOCLINUX: u64 = 0x541c;
    [libc::TIOCSTI, TIOCLINUX, TIOCCONS, libc::TIOCSETD]
        .into_iter()
        .map(|request| {
            let test = Test::Equals { argument: 1, mask: LOW, value: request as u32 };
            rule(libc::SYS_ioctl, &[test], Action::Refuse(libc::EPERM))
        })
        .collect()
}

fn process_rules() -> Vec<Rule> {
    const SET_MODE_FILTER: i32 = 1;
    const NEW_LISTENER: u32 = 1 << 3;
    const PR_SET_PTRACER: i32 = 0x5961_6d61;
    const QUERY: u32 = 0xffff_ffff;
    let other_than = |value: u32| Test::Differs { argument: 0, mask: LOW, value };
    vec![
        // The kernel allows one listener for each process; ours is it.
        rule(
            libc::SYS_seccomp,
            &[equals(0, SET_MODE_FILTER), Test::AnyBit { argument: 1, mask: NEW_LISTENER }],
            Action::Refuse(libc::EBUSY),
        ),
        rule(libc::SYS_prctl, &[equals(0, PR_SET_PTRACER)], Action::Refuse(libc::EPERM)),
        rule(libc::SYS_personality, &[other_than(0), other_than(QUERY)], Action::Refuse(libc::EPERM)),
    ]
}
