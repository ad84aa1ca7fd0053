//! The command line, as types. Words and exit codes are part of the product: changing one is a change of the interface.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use bailiwick_core::{LockTarget, Name};
use clap::{Args, Parser, Subcommand};

/// Give AI agents real authority without giving them the keys.
#[derive(Debug, Parser)]
#[command(
    name = "bailiwick",
    version,
    about,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    /// Print data as JSON on standard output; everything else goes to standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program in a sandbox whose every attempt is decided, recorded and brokered.
    Run(Box<Run>),
    /// Run the daemon: authority, gateway and ledger. `run` starts one by itself.
    Serve(Serve),
    /// Say what this machine enforces, proved by self-test.
    Doctor {
        /// Print the AppArmor profile that lets this program make user namespaces (Ubuntu 23.10 and later), and do nothing else.
        #[arg(long)]
        print_apparmor_profile: bool,
    },
    /// A short tour, played for real on this machine.
    Demo,
    /// What may be reached, and how it is opened.
    #[command(subcommand)]
    Resource(Resource),
    /// Secrets that the gateway keeps and agents never see.
    #[command(subcommand)]
    Secret(Secret),
    /// Sessions that are going on.
    #[command(subcommand)]
    Session(Session),
    /// What waits for a person, and what was answered.
    #[command(subcommand)]
    Approval(Approval),
    /// Show the card that waits longest, and ask for the answer.
    Approve {
        /// All cards of its session at once, with one answer for exactly these.
        #[arg(long)]
        together: bool,
    },
    /// Stop orders.
    #[command(subcommand)]
    Lock(Lock),
    /// Stop a session, and everything it delegated, at once.
    Stop(Stop),
    /// What was moved out of a workspace because it would have taken effect outside the sandbox.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// What sessions have been exposed to in a workspace, which those after them begin with.
    #[command(subcommand)]
    Workspace(Workspace),
    /// Policies: check them, test them, ask what they say.
    #[command(subcommand)]
    Policy(Policy),
    /// What was attempted, and what became of it.
    Log(Log),
    /// The five answers for one action: who, which agent, what, with what permission, whether approved.
    Explain(Explain),
    /// Report a moment of a coding agent's life. Agents call it inside a sandbox; it always exits 0.
    Hook(Hook),
    /// Check the ledger, offline.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Print the build.
    Version,
    /// Print a completion script for your shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory, such as `~/.local/share/man/man1`.
    Man {
        /// The directory; made if it is not there.
        directory: PathBuf,
    },
    /// Write the generated references into a directory.
    #[command(hide = true)]
    Generate {
        /// The directory.
        directory: PathBuf,
    },
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What the work is for, in one sentence.
    #[arg(long, value_name = "TEXT", conflicts_with = "task_file")]
    pub(crate) task: Option<String>,
    /// A file that says what the work is for.
    #[arg(long, value_name = "FILE")]
    pub(crate) task_file: Option<PathBuf>,
    /// The agent's name. Default: the program's.
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<Name>,
    /// A grant (JSON) that narrows what the session may do.
    #[arg(long, value_name = "FILE")]
    pub(crate) grant: Option<PathBuf>,
    /// The session that delegates this one: its id, a unique part of it, or `-` for the latest. The new session may do no more than it,
    /// and ends with it.
    #[arg(long, value_name = "SESSION", conflicts_with = "offline")]
    pub(crate) parent: Option<String>,
    /// The workspace: the one directory of yours that is writable inside. Default: the current directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    /// A further repository that the work is about, like `acme/site`: its unprotected branches may be pushed to without asking.
    #[arg(long, value_name = "OWNER/NAME", value_parser = repository)]
    pub(crate) repository: Vec<String>,
    /// How long the session lives at most, like `90s` or `1h`.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) ttl: Option<Duration>,
    /// Discard the private home kept for this agent and workspace.
    #[arg(long)]
    pub(crate) fresh_home: bool,
    /// Take over the login that the program has outside, without asking; also in the place of one taken over before.
    #[arg(long, conflicts_with = "offline")]
    pub(crate) import: bool,
    /// No network at all, and no daemon.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Find out what the program needs: it may read what is not declared, at any host, but gets no credential and changes nothing.
    /// What it reads can carry out what it finds in the workspace: only for one without secrets. Then `bailiwick policy suggest`.
    #[arg(long, conflicts_with_all = ["offline", "import"])]
    pub(crate) observe: bool,
    /// A file or directory of the workspace that the agent may write although it takes effect outside, like `.vscode` or `.git/hooks`.
    #[arg(long, value_name = "PATH")]
    pub(crate) writable: Vec<PathBuf>,
    /// A further directory or file that is visible inside, read-only.
    #[arg(long, value_name = "PATH")]
    pub(crate) readable: Vec<PathBuf>,
    /// Pass this variable on although it is not on the list of harmless ones.
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<OsString>,
    /// Let this machine's loopback reach a port on the loopback inside, such as a development server's.
    #[arg(long, value_name = "[HOST:]PORT")]
    pub(crate) publish: Vec<String>,
    /// Write a report of the run to a file (JSON), also when it is killed.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    pub(crate) argv: Vec<OsString>,
}

fn repository(text: &str) -> Result<String, String> {
    bailiwick_core::Repositories::name_of(text)
        .ok_or_else(|| format!("`{text}` names no repository: write `OWNER/NAME` or its address"))
}

/// `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Exit after this long without a session.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) idle_exit: Option<Duration>,
    /// A descriptor to close once the daemon serves: for whoever waits for it.
    #[arg(long, hide = true)]
    pub(crate) ready_on_stdout: bool,
}

/// `resource`.
#[derive(Debug, Subcommand)]
pub(crate) enum Resource {
    /// Declare a resource. Asks for its credential where the template needs one.
    Add(ResourceAdd),
    /// List the resources.
    List,
    /// Show one, as it is understood.
    Show {
        /// Its name.
        name: Name,
    },
    /// Remove one, and its secret.
    Remove {
        /// Its name.
        name: Name,
    },
    /// Look for mistakes and risks in definitions: those of the home, or those named.
    Lint {
        /// Names of resources, or files.
        #[arg(value_name = "FILE|NAME")]
        which: Vec<String>,
    },
    /// Hold a resource to a table of requests and what they should mean.
    Test {
        /// Its name.
        name: Name,
        /// The table: `[[case]]` with `request`, and `operation` and `effects`, or `refused`.
        file: PathBuf,
    },
}

/// `resource add`.
#[derive(Debug, Args)]
pub(crate) struct ResourceAdd {
    /// Its name: what policies, grants and people call it.
    pub(crate) name: Name,
    /// Where it is, like `https://api.example.com`. May be given more than once. Many templates know it already.
    #[arg(long, value_name = "URL")]
    pub(crate) address: Vec<String>,
    /// What is spoken there: `http`, or `tcp` for bytes that nobody looks into.
    #[arg(long, value_name = "PROTOCOL", value_parser = ["http", "tcp"])]
    pub(crate) protocol: Option<String>,
    /// The template that says what its requests mean.
    #[arg(long, default_value = "http", value_name = "NAME")]
    pub(crate) template: String,
    /// A PEM file with the authority that the upstream's certificate is issued by, if it is not a public one.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Read the credential from standard input.
    #[arg(long, conflicts_with = "no_credential")]
    pub(crate) token_stdin: bool,
    /// It needs no credential.
    #[arg(long)]
    pub(crate) no_credential: bool,
    /// Replace a resource of the same name.
    #[arg(long)]
    pub(crate) replace: bool,
}

/// `secret`.
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Keep a secret, or replace it: read from the terminal without echo, or from standard input.
    Set {
        /// Its name: that of the resource, unless the resource says otherwise.
        name: Name,
    },
    /// List the names of secrets.
    List,
    /// Forget a secret.
    Remove {
        /// Its name.
        name: Name,
    },
}

/// `session`.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List the sessions that are going on.
    List,
    /// Show one.
    Show {
        /// Its id, a unique part of it, or `-` for the latest.
        #[arg(allow_hyphen_values = true)]
        session: String,
    },
    /// Give one more time.
    Extend {
        /// Its id, a unique part of it, or `-` for the latest.
        #[arg(allow_hyphen_values = true)]
        session: String,
        /// How long from now, like `2h`. Default: as long as it was given first. At most what any session gets.
        #[arg(long = "by", value_name = "DURATION", value_parser = humantime::parse_duration)]
        more: Option<Duration>,
    },
    /// Let one go on that paused because it asked a person too often.
    Resume {
        /// Its id, a unique part of it, or `-` for the latest.
        #[arg(allow_hyphen_values = true)]
        session: String,
    },
}

/// `approval`.
#[derive(Debug, Subcommand)]
pub(crate) enum Approval {
    /// List what waits.
    List {
        /// Also what was answered or ran out, of the sessions that are going on.
        #[arg(long)]
        all: bool,
    },
    /// Show one card.
    Show {
        /// Its id, a unique part of it, or `-` for the one that waits longest.
        #[arg(allow_hyphen_values = true)]
        approval: String,
    },
    /// Show one card and ask for the word on it, which says yes. Needs a terminal.
    Yes {
        /// Its id, a unique part of it, or `-` for the one that waits longest.
        #[arg(allow_hyphen_values = true)]
        approval: String,
    },
    /// Say no. It stands for ten minutes: the same again is refused without asking.
    No {
        /// Its id, a unique part of it, or `-` for the one that waits longest.
        #[arg(allow_hyphen_values = true)]
        approval: String,
    },
}

/// `quarantine`.
#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List what is in quarantine.
    List,
    /// Show one item, and what is in it.
    Show {
        /// Its id, or a unique beginning of it.
        item: String,
    },
    /// Put one back where it was: it counts as yours from then on.
    Restore {
        /// Its id, or a unique beginning of it.
        item: String,
    },
    /// Remove one for good.
    Discard {
        /// Its id, or a unique beginning of it.
        item: String,
    },
}

/// `workspace`.
#[derive(Debug, Subcommand)]
pub(crate) enum Workspace {
    /// List what each workspace has been exposed to: what its sessions read, in words of sensitivity, trust and compartments.
    List,
    /// Say that nothing of it is there any more, for a directory and those below it: sessions there begin anew.
    Forget {
        /// The directory.
        directory: PathBuf,
    },
}

/// `lock`.
#[derive(Debug, Subcommand)]
pub(crate) enum Lock {
    /// Set one: `session:ses_…`, `agent:NAME`, `user:NAME`, `resource:NAME` or `everything`.
    Add {
        /// What to stop.
        target: LockTarget,
        /// Why, for whoever is stopped.
        #[arg(long, default_value = "locked by hand")]
        reason: String,
    },
    /// List them.
    List,
    /// Lift one.
    Lift {
        /// Its id, or a unique part of it.
        lock: String,
    },
}

/// `stop`.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// The session: its id, a unique part of it, or `-` for the latest.
    pub(crate) session: String,
    /// Why, for whoever is stopped.
    #[arg(long, default_value = "stopped by hand")]
    pub(crate) reason: String,
}

/// `policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check the policies and resources without taking them into force.
    Check,
    /// Run policy tests: files of actions and what should be decided of them.
    Test {
        /// The test files (TOML).
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List the policies in force, one a line.
    List,
    /// Propose resources and policies that would permit what sessions wanted to read, with the cases that hold them to it. Nothing is
    /// taken into force: what does more than read is commented out, and the rest is for you to look at.
    Suggest {
        /// The sessions, such as those of `run --observe`: ids, unique parts of them, or `-` for the latest, which is the default.
        #[arg(value_name = "SESSION")]
        sessions: Vec<String>,
        /// Write the files into a directory, laid out like BAILIWICK_HOME. Never over a file that is there.
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
}

/// `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Wait for what comes.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only this session: its id, a unique part of it, or `-` for the latest.
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// Only what was decided so.
    #[arg(long, value_parser = ["permit", "hold", "refuse"])]
    pub(crate) decision: Option<String>,
    /// At most this many rows.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The action: its id, a unique part of it, or `-` for the latest.
    #[arg(allow_hyphen_values = true)]
    pub(crate) action: String,
}

/// `hook`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Hook {
    /// Which agent calls: `claude`, `codex` or `gemini`.
    pub(crate) agent: String,
    /// At which moment, in the agent's own word, such as `PreToolUse`. What it says of it is read from standard input.
    pub(crate) event: String,
}

/// `ledger`.
#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Check every record, the tree and its signatures.
    Verify {
        /// The ledger's directory. Default: that of BAILIWICK_HOME.
        #[arg(long)]
        directory: Option<PathBuf>,
    },
    /// Print the proof that one record is in the ledger (`.tlog-proof`).
    Proof {
        /// The record's index.
        index: u64,
    },
    /// Print every record.
    Export {
        /// In which form: `ndjson`, as stored.
        #[arg(long, default_value = "ndjson")]
        format: String,
    },
}
