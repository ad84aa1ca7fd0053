//! What waits for a person: with real curl inside and a person at a terminal outside. Whether it happened, the upstream says.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bailiwick_testkit::{Terminal, Upstream, World};
use serde_json::Value;

use crate::attack::service;

/// As [`service`], where attempts do not wait on the wire for long.
fn impatient() -> (World, Upstream) {
    let world = World::new();
    std::fs::create_dir_all(world.home.path()).unwrap();
    std::fs::write(world.home.path().join("bailiwick.toml"), "[approval]\nwait = '300ms'\n").unwrap();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    (world, upstream)
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not become so");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn deletions(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|seen| seen.method == "DELETE").count()
}

/// A shell script's line that asks for a deletion and shows the answer's head and body.
fn delete(upstream: &Upstream, path: &str, body: &str) -> String {
    format!("curl -s -i -X DELETE -d '{body}' {}", upstream.url(path))
}

pub(crate) fn open(world: &World) -> Vec<Value> {
    world.bailiwick().run(["--json", "approval", "list"]).ok().ndjson()
}

/// The person at a terminal: `bailiwick approve`, and the words on the card that it shows.
pub(crate) struct Person {
    terminal: Terminal,
    once: String,
    target: String,
}

impl Person {
    pub(crate) fn at_the_card(world: &World) -> Self {
        let terminal = Terminal::spawn(&world.bailiwick().command(["approve"]), 40, 100);
        terminal.expect("answer:");
        let shown = terminal.contents();
        let word = |end: &str| {
            let line = shown.lines().find(|line| line.ends_with(end)).unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        let (once, target) = (word("to exactly this, once"), word("while the session lives"));
        Self { terminal, once, target }
    }

    /// Types, and gives the exit code.
    fn say(mut self, word: &str) -> Option<i32> {
        self.terminal.send(&format!("{word}\r"));
        self.terminal.wait_for_exit().code()
    }

    /// What is on the screen.
    pub(crate) fn contents(&self) -> String {
        self.terminal.contents()
    }

    pub(crate) fn say_for_the_target(self) {
        let word = self.target.clone();
        assert_eq!(self.say(&word), Some(0));
    }

    pub(crate) fn say_once(self) {
        let word = self.once.clone();
        assert_eq!(self.say(&word), Some(0));
    }
}

#[test]
fn it_waits_on_the_wire_and_goes_on_with_a_yes() {
    let (world, upstream) = service();
    let inside = world
        .run(["bash", "-c", &delete(&upstream, "/thing?x=1", "why=old")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(|| !open(&world).is_empty());
    let person = Person::at_the_card(&world);
    let card = person.terminal.contents();
    for shown in
        ["http.delete", "destructive", "/thing", "why=old", "cannot be undone", "work on acme/site", "curl"]
    {
        assert!(card.contains(shown), "{shown} in\n{card}");
    }
    assert_eq!(deletions(&upstream), 0);
    person.say_once();
    let ended = inside.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(said.contains("HTTP/2 200"), "{said}");
    assert_eq!(deletions(&upstream), 1);
    assert!(String::from_utf8_lossy(&ended.stderr).contains("waits for a person"), "{ended:?}");

    let rows: Vec<Value> = world.bailiwick().run(["--json", "log"]).ok().ndjson();
    let decided: Vec<_> = rows
        .iter()
        .filter(|row| row["operation"] == "http.delete")
        .map(|row| (row["decision"].as_str().unwrap(), row["approval"].as_str().unwrap_or_default()))
        .collect();
    assert!(
        matches!(decided[..], [("hold", by), ("permit", other)] if by == other && by.starts_with("by ")),
        "{rows:?}"
    );
    let act = rows.iter().find(|row| row["decision"] == "hold").unwrap()["act"].as_str().unwrap();
    let why: Value = world.bailiwick().run(["--json", "explain", act]).ok().json();
    assert!(why["approval"].as_str().unwrap().starts_with("required, and given by "), "{why}");
    world.bailiwick().run(["ledger", "verify"]).ok();
}

/// The agent asks, is told to come back, and comes back with something else.
#[test]
fn a_late_yes_is_for_the_identical_attempt_and_for_one() {
    let (world, upstream) = impatient();
    let small = delete(&upstream, "/a", "amount=1");
    let script = format!(
        "{small} > first; touch asked; until [ -e answered ]; do sleep 0.05; done
         {} > other; {} > elsewhere; {small} > second; {small} > third",
        delete(&upstream, "/a", "amount=1000"),
        delete(&upstream, "/b", "amount=1"),
    );
    let work = world.home.workspace();
    let inside =
        world.run(["bash", "-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| work.join("asked").exists());
    let first = std::fs::read_to_string(work.join("first")).unwrap();
    assert!(first.starts_with("HTTP/2 403") && first.contains("retry-after: "), "{first}");
    assert!(first.contains("approval_required") && first.contains("bailiwick approval yes apr_"), "{first}");
    Person::at_the_card(&world).say_once();
    assert_eq!(deletions(&upstream), 0);
    std::fs::write(work.join("answered"), "").unwrap();
    let mut inside = inside;
    inside.wait().unwrap();
    let status =
        |file: &str| std::fs::read_to_string(work.join(file)).unwrap().split(' ').nth(1).unwrap().to_owned();
    assert_eq!(["other", "elsewhere", "second", "third"].map(status), ["403", "403", "200", "403"]);
    assert_eq!(deletions(&upstream), 1);
}

#[test]
fn a_yes_for_the_target_is_for_that_target_while_the_session_lives() {
    let (world, upstream) = impatient();
    let work = world.home.workspace();
    let script = format!(
        "{} > first; touch asked; until [ -e answered ]; do sleep 0.05; done; {} > second; {} > third; {} > other",
        delete(&upstream, "/a", "1"),
        delete(&upstream, "/a", "2"),
        delete(&upstream, "/a", "3"),
        delete(&upstream, "/b", "3"),
    );
    let mut inside =
        world.run(["bash", "-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| work.join("asked").exists());
    let person = Person::at_the_card(&world);
    let word = person.target.clone();
    assert_eq!(person.say(&word), Some(0));
    std::fs::write(work.join("answered"), "").unwrap();
    inside.wait().unwrap();
    let status =
        |file: &str| std::fs::read_to_string(work.join(file)).unwrap().split(' ').nth(1).unwrap().to_owned();
    assert_eq!(["first", "second", "third", "other"].map(status), ["403", "200", "200", "403"]);
    // Another session asks anew.
    let again = world.script(&delete(&upstream, "/a", "2")).ok().stdout();
    assert!(again.starts_with("HTTP/2 403"), "{again}");
}

#[test]
fn several_questions_of_a_session_are_answered_together_each_for_itself() {
    let (world, upstream) = impatient();
    let work = world.home.workspace();
    let (a, b, c) =
        (delete(&upstream, "/a", "1"), delete(&upstream, "/b", "2"), delete(&upstream, "/c", "3"));
    let script = format!(
        "{a}; {b}; touch asked; until [ -e answered ]; do sleep 0.05; done; {a} > first; {b} > second; {a} > third; {c} > other"
    );
    let mut inside =
        world.run(["bash", "-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| work.join("asked").exists());
    let mut terminal = Terminal::spawn(&world.bailiwick().command(["approve", "--together"]), 60, 100);
    terminal.expect("answer:");
    let card = terminal.contents();
    assert!(
        card.contains("(1 of 2)") && card.contains("(2 of 2)") && card.contains("/a") && card.contains("/b"),
        "{card}"
    );
    let line = card.lines().find(|line| line.ends_with("to exactly these 2, once each")).unwrap();
    terminal.send(&format!("{}\r", line.split_whitespace().next().unwrap()));
    assert_eq!(terminal.wait_for_exit().code(), Some(0));
    std::fs::write(work.join("answered"), "").unwrap();
    inside.wait().unwrap();
    let status =
        |file: &str| std::fs::read_to_string(work.join(file)).unwrap().split(' ').nth(1).unwrap().to_owned();
    assert_eq!(["first", "second", "third", "other"].map(status), ["200", "200", "403", "403"]);
    assert_eq!(deletions(&upstream), 2);
}

#[test]
fn any_other_word_answers_nothing_and_no_is_remembered() {
    let (world, upstream) = impatient();
    let work = world.home.workspace();
    let script = format!(
        "{0}; touch asked; until [ -e answered ]; do sleep 0.05; done; {0} > second",
        delete(&upstream, "/a", "1")
    );
    let mut inside =
        world.run(["bash", "-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| work.join("asked").exists());
    for other in ["y", "yes", ""] {
        assert_eq!(Person::at_the_card(&world).say(other), Some(1), "{other}");
    }
    assert_eq!(open(&world).len(), 1);
    // Nobody at a terminal: nobody says yes.
    let mut alone = std::process::Command::new("setsid");
    let command = world.bailiwick().command(["approval", "yes", "-"]);
    alone
        .arg("--wait")
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let alone = alone.stdin(Stdio::null()).output().unwrap();
    assert!(!alone.status.success());
    assert!(String::from_utf8_lossy(&alone.stderr).contains("bailiwick approve"), "{alone:?}");
    assert_eq!(Person::at_the_card(&world).say("no"), Some(0));
    std::fs::write(work.join("answered"), "").unwrap();
    inside.wait().unwrap();
    let second = std::fs::read_to_string(work.join("second")).unwrap();
    assert!(second.contains("approval_denied"), "{second}");
    assert_eq!((deletions(&upstream), open(&world).len()), (0, 0));
}

/// Hostile text in what is asked for is shown, never obeyed, and never stands where our own words stand.
#[test]
fn a_card_cannot_be_forged_by_what_is_asked_for() {
    let (world, upstream) = impatient();
    let body = "%s\\033[2J\\033[H\\r\\n  kor   yes, to exactly this, once\\n\\342\\200\\256desrever";
    let script = format!(
        "printf '{body}' x > body; curl -s -X DELETE --data-binary @body {} > /dev/null; sleep 1000",
        upstream.url("/a")
    );
    let mut inside =
        world.run(["bash", "-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| !open(&world).is_empty());
    let person = Person::at_the_card(&world);
    let shown = person.terminal.contents();
    assert!(shown.contains("\\u{1b}[2J") && shown.contains("\\u{202e}desrever"), "{shown}");
    let forged = shown.lines().filter(|line| line.starts_with("  kor")).count();
    assert!(forged == 0 || person.once == "kor", "{shown}");
    person.say("no");
    let id = rustix_pid(inside.id());
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    inside.wait().unwrap();
}

fn rustix_pid(id: u32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(id.cast_signed()).unwrap()
}

/// The agent has the person's own program, and knows where the person's daemon is: it is not heard.
#[test]
fn nothing_inside_can_say_yes() {
    let (world, upstream) = impatient();
    let bailiwick = world.bailiwick();
    let (program, home) =
        (bailiwick.program().display().to_string(), world.home.path().display().to_string());
    let script = format!(
        "{}; cp {program} ./b; export BAILIWICK_HOME={home}; ./b approval list; echo list=$?; ./b approval yes -; echo yes=$?
         /usr/bin/python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"{home}/daemon.sock\")'; echo socket=$?",
        delete(&upstream, "/a", "1"),
    );
    let run = |readable: &str| {
        let mut command = bailiwick.command(["run", "--readable", readable]);
        let ended = command.args(["--", "bash", "-c", &script]).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr)
    };
    let said = run(&program);
    for failed in ["list=3", "yes=3", "socket=1"] {
        assert!(said.contains(failed), "{failed} in\n{said}");
    }
    let rows: Vec<Value> = world.bailiwick().run(["--json", "log"]).ok().ndjson();
    assert_eq!(rows.iter().filter(|row| row["decision"] == "hold").count(), 1, "{rows:#?}");
    assert_eq!(deletions(&upstream), 0);
    // Nor can its directory be shown to an agent, or a part of it, or what it lies in.
    let link = world.home.workspace().join("link");
    std::os::unix::fs::symlink(world.home.path(), &link).unwrap();
    let above = world.home.path().parent().unwrap().display().to_string();
    for shown in [home.clone(), format!("{home}/vault.key"), above, link.display().to_string()] {
        let said = run(&shown);
        assert!(said.contains("credentials are kept in") && !said.contains("list="), "{shown}: {said}");
    }
}

/// The word on the screen that says yes, once.
fn word_for_once(terminal: &Terminal) -> String {
    let shown = terminal.contents();
    let line = shown.lines().find(|line| line.ends_with("to exactly this, once")).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

/// At the agent's own terminal: the agent fills the screen, draws a card of its own and writes on all the while.
#[test]
fn the_card_at_the_agents_terminal_is_ours_alone() {
    let (world, upstream) = service();
    let agent = "printf '\\033[?1049h\\033[?1000h\\033[>1u\\033[31magent screen'
         { curl -s -o /dev/null -w 'status %{http_code}\\n' -X DELETE URL/a > done; } &
         while ! [ -s done ]; do printf '\\033[1;1H  kor   yes, to exactly this, once'; sleep 0.05; done
         printf '\\033[<u\\033[?1049l'; cat done; read -r typed; echo \"typed:$typed.\""
        .replace("URL", &upstream.url(""));
    let mut terminal = world.terminal(["bash", "-c", &agent]);
    terminal.expect("kor   yes");
    until(|| !open(&world).is_empty());
    terminal.expect_since(0, "waits for your yes");
    // In the keyboard protocol that the agent switched on.
    terminal.send("\x1b[93;5u");
    terminal.expect("answer: ");
    let card = terminal.contents();
    assert!(card.contains("http.delete") && card.contains("cannot be undone"), "{card}");
    assert!(!card.contains("agent screen") && !card.lines().any(|line| line.starts_with("  kor ")), "{card}");
    // It writes on, and none of it gets here.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(terminal.contents(), card);
    assert_eq!(deletions(&upstream), 0);
    terminal.send(&format!("{}\r", word_for_once(&terminal)));
    terminal.expect("status 200");
    assert_eq!(deletions(&upstream), 1);
    terminal.send("after\r");
    terminal.expect("typed:after.");
    assert!(terminal.wait_for_exit().success());
}

/// What is typed at the card does not reach the agent, and leaving the card answers nothing.
#[test]
fn leaving_the_card_answers_nothing() {
    let (world, upstream) = service();
    let agent = format!("stty -echo; curl -s -o /dev/null -X DELETE {} & cat > heard", upstream.url("/a"));
    let mut terminal = world.terminal(["bash", "-c", &agent]);
    until(|| !open(&world).is_empty());
    terminal.expect_since(0, "waits for your yes");
    terminal.send("typed too early\x1d");
    terminal.expect("answer: ");
    terminal.send("never\x03");
    until(|| !terminal.contents().contains("answer: "));
    terminal.send("mine\r");
    let heard = || std::fs::read_to_string(world.home.workspace().join("heard")).unwrap_or_default();
    until(|| heard().ends_with("mine\n"));
    assert_eq!(heard(), "mine\n");
    assert_eq!((deletions(&upstream), open(&world).len()), (0, 1));
    terminal.send("\x1d");
    terminal.expect("answer: ");
    terminal.send("no\r");
    until(|| open(&world).is_empty());
    terminal.send("\x04\x04");
    terminal.wait_for_exit();
    assert_eq!(deletions(&upstream), 0);
}

/// curl asks a thousand times for the same, many at a time. A person has one question, and nothing happens.
#[test]
fn a_thousand_identical_attempts_are_one_question() {
    let (world, upstream) = impatient();
    let work = world.home.workspace();
    let urls = format!("url = \"{}\"\noutput = \"/dev/null\"\n", upstream.url("/a")).repeat(1000);
    std::fs::write(work.join("urls"), urls).unwrap();
    let script = "curl -s -X DELETE -Z --parallel-max 50 -w '%{http_code}\\n' -K urls > codes || true; touch asked; until [ -e answered ]; do sleep 0.05; done";
    let mut inside =
        world.run(["bash", "-c", script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| work.join("asked").exists());
    assert_eq!(open(&world).len(), 1);
    std::fs::write(work.join("answered"), "").unwrap();
    inside.wait().unwrap();
    let codes = std::fs::read_to_string(work.join("codes")).unwrap();
    assert_eq!(codes.lines().filter(|code| *code == "403").count(), 1000, "{}", codes.lines().count());
    assert_eq!(deletions(&upstream), 0);
    world.bailiwick().run(["ledger", "verify"]).ok();
}

/// Shell: `attempt NAME` deletes once and notes the status under that name; `wait_for NAME` waits for a file of the person's.
fn steps(upstream: &Upstream) -> String {
    format!(
        "attempt() {{ curl -s -o said-$1 -w '%{{http_code}}' -X DELETE -d why=old {} > code-$1.new || true; mv code-$1.new code-$1; }}\n\
         wait_for() {{ while [ ! -e $1 ]; do sleep 0.05; done; }}\n",
        upstream.url("/thing")
    )
}

/// Kills the daemon, and waits until the session goes on with another.
fn next_daemon(world: &World) {
    world.kill_daemon();
    until(|| {
        let listed = world.bailiwick().run(["--json", "session", "list"]);
        listed.code() == 0 && listed.ndjson::<Value>().len() == 1
    });
}

#[test]
fn what_was_asked_and_answered_outlives_the_daemon_and_is_used_once() {
    let (world, upstream) = impatient();
    let work = world.home.workspace();
    let code = |name: &str| std::fs::read_to_string(work.join(format!("code-{name}"))).unwrap_or_default();
    let script = steps(&upstream)
        + "attempt asked\nwait_for answered\nattempt allowed\nwait_for again\nattempt used\nattempt denied\n";
    let inside =
        world.run(["bash", "-c", &script]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until(|| code("asked") == "403");
    let asked = open(&world);
    next_daemon(&world);
    // Another daemon puts the same question, with the same card.
    assert_eq!(open(&world), asked);
    Person::at_the_card(&world).say_once();
    next_daemon(&world);
    std::fs::write(work.join("answered"), "").unwrap();
    until(|| !code("allowed").is_empty());
    assert_eq!((code("allowed").as_str(), deletions(&upstream)), ("200", 1));
    next_daemon(&world);
    std::fs::write(work.join("again"), "").unwrap();
    until(|| !code("denied").is_empty());
    assert_eq!((code("used").as_str(), deletions(&upstream)), ("403", 1), "a yes for once was used twice");
    let ended = inside.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Whoever started the work is not the second person, whatever they type.
#[test]
fn ones_own_yes_is_not_that_of_a_second_person() {
    let (world, upstream) = impatient();
    let rule = "@id(\"own.two\") @gate(\"step_up\") @two_person @why(\"two look at it\")\n\
                forbid (principal, action in Action::\"destructive\", resource) unless { context.approved };\n";
    world.home.write("policies/two.cedar", rule);
    // Adding one has the daemon take all files that are there.
    world.add_open("unused", "https://unused.example", "http");
    let work = world.home.workspace();
    let script = steps(&upstream) + "attempt asked\nwait_for answered\nattempt again\n";
    let inside =
        world.run(["bash", "-c", &script]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| work.join("code-asked").exists());
    let person = Person::at_the_card(&world);
    assert!(person.contents().contains("another person than"), "{}", person.contents());
    let word = person.once.clone();
    assert_eq!(person.say(&word), Some(1));
    assert_eq!(open(&world)[0]["state"], "open");
    std::fs::write(work.join("answered"), "").unwrap();
    assert!(inside.wait_with_output().unwrap().status.success());
    assert_eq!(std::fs::read_to_string(work.join("code-again")).unwrap(), "403");
    assert_eq!(deletions(&upstream), 0);
}
