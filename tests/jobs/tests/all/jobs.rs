//! The jobs.

use bailiwick_testkit::{registry::PACKAGE, tools};

use crate::town::{Town, toolchain};

/// One job: what it is called, what the agent types, and how often a person may be asked.
struct Job {
    name: &'static str,
    script: &'static str,
    asks: usize,
}

const fn job(name: &'static str, script: &'static str) -> Job {
    Job { name, script, asks: 0 }
}

/// In this order, in one workspace: each goes on from where the one before left it.
const JOBS: [Job; 21] = [
    job("look around", "ls -la; git log --oneline | head; git status --short; git remote -v"),
    job(
        "clone a second repository",
        "git clone -q $FORGE/acme/other ../elsewhere 2>/dev/null || git clone -q $FORGE/acme/other other; rm -rf other",
    ),
    job("start a branch", "git checkout -q -b fix-42"),
    job(
        "edit",
        "printf 'int main(void) { return 0; }\\n' > main.c; printf 'all: main\\n\\nmain: main.c\\n\\tcc -o main main.c\\n\\ntest: main\\n\\t./main\\n' > Makefile; git diff --stat",
    ),
    job("build", "make -s"),
    job("test", "make -s test"),
    job("commit", "printf 'main\\n' > .gitignore; git add -A; git commit -q -m 'Return nothing'"),
    job("fetch", "git fetch -q origin; git branch -r"),
    job("push a branch", "git push -q -u origin fix-42"),
    job(
        "open a pull request",
        "curl -sS -f -H 'content-type: application/json' -d '{\"title\": \"Return nothing\", \"head\": \"fix-42\", \"base\": \"main\"}' $API/repos/acme/site/pulls",
    ),
    job(
        "read a pull request",
        "curl -sS -f -H 'content-type: application/json' -d '{\"query\": \"{ repository(owner: \\\"acme\\\", name: \\\"site\\\") { pullRequest(number: 7) { title } } }\"}' $GRAPHQL",
    ),
    job(
        "report an issue",
        "curl -sS -f -H 'content-type: application/json' -d '{\"title\": \"The door sticks\"}' $API/repos/acme/site/issues",
    ),
    job(
        "push again after a review",
        "git commit -q --amend -m 'Return nothing, on purpose'; git push -q --force-with-lease origin fix-42",
    ),
    job("read documentation", "curl -sS -f $DOCS/guide/install > guide.html; rm guide.html"),
    job(
        "install a Python package",
        "%pip install -q --no-cache-dir --disable-pip-version-check --index-url $PYPI --target packages PACKAGE; rm -rf packages",
    ),
    job(
        "install an npm package, and again from its lock file",
        "%npm install --silent --no-audit --no-fund --registry $NPM PACKAGE; rm -rf node_modules; %npm ci --silent --no-audit --no-fund --registry $NPM; test -d node_modules/PACKAGE; rm -rf node_modules package.json package-lock.json",
    ),
    job("add a Rust dependency and build", "%cargo"),
    job(
        "run a dev server",
        "/usr/bin/python3 -m http.server --bind 127.0.0.1 8000 2>/dev/null & sleep 0.5; curl -sS -f --retry 5 --retry-connrefused http://127.0.0.1:8000/Makefile > /dev/null; kill $!",
    ),
    job(
        "use a database of the host",
        "/usr/bin/python3 -c 'import socket; s = socket.create_connection((\"$DBHOST\", $DBPORT)); s.sendall(b\"query\"); assert s.recv(64) == b\"yreuq\"'",
    ),
    // What others run at once is shown to a person first.
    Job {
        name: "write a workflow",
        script: "git checkout -q -b ci; mkdir -p .github/workflows; printf 'on: push\\n' > .github/workflows/ci.yml; git add .github; git commit -q -m 'Test on push'; git push -q origin ci || true; git checkout -q fix-42",
        asks: 1,
    },
    job(
        "rebase and tidy up",
        "git fetch -q origin; git rebase -q origin/main; git stash list; git branch -v",
    ),
];

#[test]
fn everyday_jobs_ask_nobody() {
    let town = Town::new();
    town.workspace();
    let mut wrong = Vec::new();
    println!("{:<36} {:>5} {:>6} {:>5} {:>7}", "job", "exit", "permit", "hold", "refuse");
    for Job { name, script, asks } in JOBS {
        let Some(script) = with_tools(name, script) else { continue };
        let done = town.job(&script);
        let (hold, refuse) = (done.count("hold"), done.count("refuse"));
        println!("{name:<36} {:>5} {:>6} {hold:>5} {refuse:>7}", done.code, done.count("permit"));
        // What goes well says nothing of ours.
        if done.code != 0 || hold != asks || refuse > 0 || !(asks > 0 || quiet(&done.said)) {
            wrong.push(format!("{name}: {done:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What was to happen did: the verdict comes from the servers.
    let refs = town.forge.refs("acme/site");
    assert!(refs.contains_key("refs/heads/fix-42") && !refs.contains_key("refs/heads/ci"), "{refs:?}");
    assert_eq!(town.github.deeds(), ["pull", "issue"]);
    assert!(town.docs.seen().iter().any(|seen| seen.path() == "/guide/install"));
}

/// Whether nothing of ours was said but which of the written files run later.
fn quiet(said: &str) -> bool {
    said.lines().all(|line| !line.contains("bailiwick:") || line.starts_with("bailiwick: runs later"))
}

/// The script with the tools in their places; nothing where one is not there.
fn with_tools(name: &str, script: &str) -> Option<String> {
    let script = script.replace("PACKAGE", PACKAGE);
    if script.contains("%pip ") {
        let pip = tools::directory().join("python");
        if !pip.join("pip").is_dir() {
            tools::not_tested(name, "pip is not fetched; run `cargo xtask tools`");
            return None;
        }
        return Some(
            script.replace("%pip ", &format!("PYTHONPATH={} /usr/bin/python3 -m pip ", pip.display())),
        );
    }
    if script.contains("%npm ") {
        if !std::path::Path::new("/usr/bin/npm").exists() {
            tools::not_tested(name, "npm is not installed");
            return None;
        }
        return Some(script.replace("%npm ", "npm "));
    }
    if script == "%cargo" {
        let Some(toolchain) = toolchain() else {
            tools::not_tested(name, "no toolchain that this user can read");
            return None;
        };
        return Some(format!(
            "export PATH={}/bin:$PATH CARGO_REGISTRIES_LOCAL_INDEX=$CARGO
             cargo new -q --vcs none user; cd user
             cargo add -q --registry local {PACKAGE}
             printf 'fn main() {{ println!(\"{{}}\", example_greeting::GREETING) }}' > src/main.rs
             cargo build -q; cd ..; rm -rf user",
            toolchain.display()
        ));
    }
    Some(script)
}
