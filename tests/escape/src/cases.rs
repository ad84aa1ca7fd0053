//! Every attack of the probe, and where outside its success would show.

/// Where the success of an attack is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// A trap server was reached.
    Trap,
    /// The secret that only host files and the victim hold was printed.
    Secret,
    /// The name of a private file was printed.
    Name,
    /// A secret of the launcher's environment was printed.
    Environment,
    /// A port of a host listener was printed.
    Port,
    /// This file, below the stage, is not what it was.
    Changed(&'static str),
    /// This file, below the stage, has other permission bits.
    Mode(&'static str),
    /// This file of the workspace, which something outside would execute or obey, is not what it was.
    Later(&'static str),
    /// The victim reports this harm.
    Victim(&'static str),
    /// The probe proved it, as nothing outside can see it.
    Proof,
    /// Something was typed on the host's terminal.
    Terminal,
    /// More processes than the limit live on the host.
    Processes,
    /// The host answered an ICMP echo.
    Echo,
    /// A host kernel setting changed.
    Setting,
    /// The host has another network address.
    Address,
    /// A core dump lies in the workspace.
    Core,
}

/// What a run needs beyond the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// Nothing.
    Plain,
    /// Descriptor 9 is a secret file, descriptor 8 the root directory; both inherited by the launcher.
    Inherited,
    /// Standard input is a host file, open for reading.
    FileInput,
    /// Standard error is a host log, open for appending.
    LogError,
    /// Standard input is a unix socket with a secret file in its queue.
    SocketInput,
    /// Standard input, output and error are a terminal, the controlling one.
    Terminal,
    /// The launcher's environment holds secrets.
    Environment,
}

/// One attack.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name in the probe and in `expected.toml`.
    pub name: &'static str,
    /// Where its success shows.
    pub watch: Watch,
    /// What it needs.
    pub setup: Setup,
}

const fn case(name: &'static str, watch: Watch) -> Case {
    Case { name, watch, setup: Setup::Plain }
}

const fn with(setup: Setup, name: &'static str, watch: Watch) -> Case {
    Case { name, watch, setup }
}

/// All of them, in the order of the table.
pub const CASES: &[Case] = &[
    case("fs.ssh_key", Watch::Secret),
    case("fs.cloud_credentials", Watch::Secret),
    case("fs.env_file", Watch::Secret),
    case("fs.list_home", Watch::Name),
    case("fs.stat_name", Watch::Proof),
    case("fs.host_tmp_read", Watch::Secret),
    case("fs.host_tmp_write", Watch::Changed("tmp/planted")),
    case("fs.outside_write", Watch::Changed("outside/file")),
    case("fs.home_write", Watch::Changed("home/.bashrc")),
    case("fs.state_read", Watch::Secret),
    case("fs.state_write", Watch::Changed("state/policy")),
    case("fs.program_write", Watch::Changed("bin/agent")),
    case("fs.symlink_read", Watch::Secret),
    case("fs.symlink_write", Watch::Changed("outside/file")),
    case("fs.hard_link", Watch::Changed("outside/file")),
    case("fs.rename_race", Watch::Changed("outside/file")),
    case("fs.proc_self_root", Watch::Secret),
    case("fs.dot_dot", Watch::Secret),
    with(Setup::Inherited, "fs.inherited_file", Watch::Secret),
    with(Setup::Inherited, "fs.inherited_directory", Watch::Secret),
    with(Setup::FileInput, "fs.stdin_reopen", Watch::Changed("outside/input")),
    with(Setup::FileInput, "fs.stdin_chmod", Watch::Mode("outside/input")),
    with(Setup::FileInput, "fs.stdin_parent", Watch::Secret),
    with(Setup::LogError, "fs.log_truncate", Watch::Changed("outside/log")),
    case("fs.handle_open", Watch::Secret),
    case("fs.device_node", Watch::Proof),
    case("later.git_hook", Watch::Later(".git/hooks/pre-commit")),
    case("later.git_config", Watch::Later(".git/config")),
    case("later.git_attributes", Watch::Later(".git/info/attributes")),
    case("later.nested_hook", Watch::Later("vendor/sub/.git/hooks/post-checkout")),
    case("later.rename_git", Watch::Later(".git/HEAD")),
    case("later.agent_settings", Watch::Later(".claude/settings.json")),
    case("later.mcp_servers", Watch::Later(".mcp.json")),
    case("later.editor_task", Watch::Later(".vscode/tasks.json")),
    case("later.envrc", Watch::Later(".envrc")),
    case("later.agent_rules", Watch::Later("CLAUDE.md")),
    case("later.makefile", Watch::Later("Makefile")),
    case("net.tcp_loopback", Watch::Trap),
    case("net.tcp_loopback_other", Watch::Trap),
    case("net.tcp_any", Watch::Trap),
    case("net.tcp_outside", Watch::Trap),
    case("net.tcp_blocking", Watch::Trap),
    case("net.tcp_metadata", Watch::Trap),
    case("net.tcp6_loopback", Watch::Trap),
    case("net.tcp6_metadata", Watch::Trap),
    case("net.tcp6_mapped", Watch::Trap),
    case("net.unspec_reconnect", Watch::Trap),
    case("net.from_bound", Watch::Trap),
    case("net.udp_loopback", Watch::Trap),
    case("net.udp_outside", Watch::Trap),
    case("net.udp_connected", Watch::Trap),
    case("net.udp_sendmmsg", Watch::Trap),
    case("net.udp_dns", Watch::Trap),
    case("net.udp_quic", Watch::Trap),
    case("net.udp6", Watch::Trap),
    case("net.udplite", Watch::Trap),
    case("net.fastopen_sendto", Watch::Trap),
    case("net.fastopen_sendmsg", Watch::Trap),
    case("net.fastopen_sendmmsg", Watch::Trap),
    case("net.fastopen_connect", Watch::Trap),
    case("net.mptcp", Watch::Trap),
    case("net.sctp", Watch::Trap),
    case("net.raw_ip", Watch::Trap),
    case("net.packet_socket", Watch::Trap),
    case("net.icmp_echo", Watch::Echo),
    case("net.vsock", Watch::Victim("vsock")),
    case("net.unix_home", Watch::Trap),
    case("net.unix_tmp", Watch::Trap),
    case("net.unix_datagram", Watch::Trap),
    case("net.unix_symlink", Watch::Trap),
    case("net.unix_workspace", Watch::Trap),
    case("net.unix_abstract", Watch::Trap),
    case("net.unix_abstract_datagram", Watch::Trap),
    case("net.netlink_diag", Watch::Port),
    case("net.netlink_route", Watch::Address),
    case("proc.kill", Watch::Victim("signals")),
    case("proc.tgkill", Watch::Victim("signals")),
    case("proc.kill_group", Watch::Victim("signals")),
    case("proc.pidfd_signal", Watch::Victim("signals")),
    case("proc.owner_signal", Watch::Victim("signals")),
    case("proc.environ", Watch::Secret),
    case("proc.cmdline", Watch::Secret),
    case("proc.cwd", Watch::Secret),
    case("proc.fd", Watch::Secret),
    case("proc.root", Watch::Secret),
    case("proc.mem_read", Watch::Secret),
    case("proc.mem_write", Watch::Victim("memory")),
    case("proc.vm_readv", Watch::Secret),
    case("proc.vm_writev", Watch::Victim("memory")),
    case("proc.ptrace", Watch::Victim("memory")),
    case("proc.pidfd_getfd", Watch::Secret),
    case("proc.prlimit", Watch::Victim("nofile")),
    case("proc.setpriority", Watch::Victim("nice")),
    case("proc.setns", Watch::Trap),
    case("proc.ptrace_child", Watch::Proof),
    case("proc.memfd_exec", Watch::Proof),
    case("proc.dropped_exec", Watch::Proof),
    case("proc.tmp_exec", Watch::Proof),
    case("proc.loader_exec", Watch::Proof),
    case("proc.core_dump", Watch::Core),
    case("proc.fork_bomb", Watch::Processes),
    case("sys.userns_unshare", Watch::Proof),
    case("sys.userns_clone", Watch::Proof),
    case("sys.userns_clone3", Watch::Proof),
    case("sys.mount", Watch::Proof),
    case("sys.mount_new_api", Watch::Proof),
    case("sys.mount_clone_tree", Watch::Proof),
    case("sys.perf_event_open", Watch::Proof),
    case("sys.bpf", Watch::Proof),
    case("sys.userfaultfd", Watch::Proof),
    case("sys.syslog", Watch::Proof),
    case("sys.sysctl", Watch::Setting),
    case("sys.key_read", Watch::Secret),
    case("sys.key_add", Watch::Victim("key")),
    case("sys.io_uring_connect", Watch::Trap),
    case("sys.io_uring_open", Watch::Secret),
    case("sys.io_uring_setup", Watch::Proof),
    case("sys.int80", Watch::Trap),
    case("sys.x32", Watch::Trap),
    case("sys.rewritten_call", Watch::Trap),
    case("sys.own_listener", Watch::Trap),
    case("sys.own_allow_filter", Watch::Trap),
    case("sys.own_trace_filter", Watch::Trap),
    case("sys.undo_filter", Watch::Trap),
    case("ipc.sysv_memory", Watch::Victim("sysv-memory")),
    case("ipc.sysv_queue", Watch::Victim("sysv-queue")),
    case("ipc.sysv_semaphore", Watch::Victim("sysv-semaphore")),
    case("ipc.posix_memory", Watch::Victim("posix-memory")),
    case("ipc.posix_queue", Watch::Victim("posix-queue")),
    with(Setup::SocketInput, "ipc.passed_descriptor", Watch::Secret),
    with(Setup::Terminal, "tty.push_stdin", Watch::Terminal),
    with(Setup::Terminal, "tty.push_controlling", Watch::Terminal),
    with(Setup::Terminal, "tty.push_by_path", Watch::Terminal),
    with(Setup::Terminal, "tty.push_wide", Watch::Terminal),
    with(Setup::Terminal, "tty.linux_paste", Watch::Terminal),
    with(Setup::Environment, "env.secrets", Watch::Environment),
    with(Setup::Environment, "env.loader", Watch::Environment),
    with(Setup::Environment, "env.sockets", Watch::Environment),
    with(Setup::Environment, "env.startup", Watch::Environment),
    case("sup.race_address", Watch::Trap),
    case("sup.race_descriptor", Watch::Trap),
    case("sup.race_family", Watch::Trap),
    case("sup.race_unix", Watch::Trap),
    case("sup.flood", Watch::Trap),
    case("sup.flood_and_die", Watch::Trap),
    case("sup.kill_watchers", Watch::Trap),
    case("sup.stop_watchers", Watch::Trap),
    case("sup.outlive", Watch::Trap),
];

/// Variables of the launcher's environment that a case looks for; their values hold the run's environment secret.
#[must_use]
pub fn leaked_variables(case: &str) -> &'static [&'static str] {
    match case {
        "env.secrets" => {
            &["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "ANTHROPIC_API_KEY", "DATABASE_URL", "MY_OWN_SECRET"]
        }
        "env.loader" => {
            &["LD_LIBRARY_PATH", "LD_ORIGIN_PATH", "GCONV_PATH", "PERL5LIB", "PYTHONPATH", "NODE_PATH"]
        }
        "env.sockets" => {
            &["SSH_AUTH_SOCK", "DOCKER_HOST", "DBUS_SESSION_BUS_ADDRESS", "GPG_AGENT_INFO", "XAUTHORITY"]
        }
        "env.startup" => &[
            "BASH_ENV",
            "ENV",
            "NODE_OPTIONS",
            "PYTHONSTARTUP",
            "GIT_CONFIG_GLOBAL",
            "GIT_SSH_COMMAND",
            "PROMPT_COMMAND",
        ],
        _ => &[],
    }
}
