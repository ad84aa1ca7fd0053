use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::world::{World, until};

/// A program that says that it ran.
fn trap(world: &World) -> (String, std::path::PathBuf) {
    let (program, fired) = (world.path("trap.sh"), world.scratch.path().join("fired"));
    fs::write(
        &program,
        format!("#!/bin/sh\ntouch {}\ncat >/dev/null 2>&1 </dev/null\nexit 0\n", fired.display()),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program.display().to_string(), fired)
}

/// One attack: what the agent writes in a repository, and what the person runs there afterwards.
struct Attack {
    name: &'static str,
    plant: fn(&World, &Path, &str),
    person: &'static [&'static [&'static str]],
}

fn config(world: &World, repository: &Path, key: &str, value: &str) {
    world.git_ok(repository, &["config", key, value]);
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "core.fsmonitor",
        plant: |world, at, trap| config(world, at, "core.fsmonitor", trap),
        person: &[&["status"]],
    },
    Attack {
        name: "a hook",
        plant: |_, at, trap| {
            fs::create_dir_all(at.join(".git/hooks")).unwrap();
            fs::copy(trap, at.join(".git/hooks/post-checkout")).unwrap();
        },
        person: &[&["checkout", "-q", "-b", "x"]],
    },
    Attack {
        name: "core.hooksPath",
        plant: |world, at, trap| {
            fs::create_dir_all(at.join("h")).unwrap();
            fs::copy(trap, at.join("h/post-checkout")).unwrap();
            config(world, at, "core.hooksPath", "h");
        },
        person: &[&["checkout", "-q", "-b", "x"]],
    },
    Attack {
        name: "an include by condition",
        plant: |world, at, trap| {
            fs::write(at.join("more"), format!("[core]\n\tfsmonitor = {trap}\n")).unwrap();
            config(world, at, "includeIf.onbranch:main.path", "../more");
        },
        person: &[&["status"]],
    },
    Attack {
        name: "a filter",
        plant: |world, at, trap| {
            config(world, at, "filter.x.clean", trap);
            fs::write(at.join(".gitattributes"), "README filter=x\n").unwrap();
            fs::write(at.join("README"), "changed, and of another length\n").unwrap();
        },
        person: &[&["add", "README"]],
    },
    Attack {
        name: "a diff driver",
        plant: |world, at, trap| {
            config(world, at, "diff.x.textconv", trap);
            fs::write(at.join(".gitattributes"), "README diff=x\n").unwrap();
            fs::write(at.join("README"), "changed\n").unwrap();
        },
        person: &[&["diff"]],
    },
    Attack {
        name: "an alias",
        plant: |world, at, trap| config(world, at, "alias.st", &format!("!{trap}")),
        person: &[&["st"]],
    },
    Attack {
        name: "the configuration of a worktree",
        plant: |world, at, trap| {
            config(world, at, "extensions.worktreeConfig", "true");
            fs::write(at.join(".git/config.worktree"), format!("[core]\n\tfsmonitor = {trap}\n")).unwrap();
        },
        person: &[&["status"]],
    },
    Attack {
        name: "a submodule's update",
        plant: |world, at, trap| {
            config(world, at, "submodule.x.update", &format!("!{trap}"));
            config(world, at, "submodule.x.url", "./");
            config(world, at, "submodule.x.active", "true");
            fs::write(at.join(".gitmodules"), "[submodule \"x\"]\n\tpath = x\n\turl = ./\n").unwrap();
            let head = world.git_ok(at, &["rev-parse", "HEAD"]);
            world.git_ok(at, &["update-index", "--add", "--cacheinfo", &format!("160000,{head},x")]);
        },
        person: &[&["-c", "protocol.file.allow=always", "submodule", "update", "--init"]],
    },
    Attack {
        name: "another git directory, named by a file",
        plant: |world, at, trap| {
            fs::rename(at.join(".git"), at.join("elsewhere")).unwrap();
            fs::write(at.join(".git"), "gitdir: elsewhere\n").unwrap();
            config(world, at, "core.fsmonitor", trap);
        },
        person: &[&["status"]],
    },
    Attack {
        name: "a bare repository among the files",
        plant: |world, at, trap| {
            world.git_ok(at, &["init", "-q", "--bare", "fixture"]);
            world.git_ok(&at.join("fixture"), &["config", "alias.st", &format!("!{trap}")]);
        },
        person: &[&["-C", "fixture", "st"]],
    },
    Attack {
        name: "a common directory",
        plant: |world, at, trap| {
            world.git_ok(at, &["worktree", "add", "-q", "w"]);
            fs::create_dir_all(at.join("c/refs")).unwrap();
            fs::write(
                at.join("c/config"),
                format!("[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {trap}\n"),
            )
            .unwrap();
            Command::new("cp").args(["-r", ".git/objects", "c/objects"]).current_dir(at).status().unwrap();
            Command::new("cp").args(["-r", ".git/refs", "c/"]).current_dir(at).status().unwrap();
            fs::write(at.join(".git/worktrees/w/commondir"), "../../../c\n").unwrap();
        },
        person: &[&["-C", "w", "status"]],
    },
    Attack {
        name: "a rename of all that is above",
        plant: |world, at, trap| {
            fs::create_dir_all(at.join("a/b")).unwrap();
            world.git_ok(at, &["init", "-q", "a/b/r"]);
            fs::rename(at.join("a"), at.join("z")).unwrap();
            config(world, &at.join("z/b/r"), "core.fsmonitor", trap);
            fs::write(at.join("z/b/r/f"), "x").unwrap();
            fs::rename(at.join("z"), at.join("y")).unwrap();
        },
        person: &[&["-C", "y/b/r", "status"]],
    },
];

fn person(world: &World, repository: &Path, attack: &Attack) {
    for arguments in attack.person {
        // What it says does not matter: what it runs does.
        world.git(repository, arguments);
    }
}

#[test]
fn each_attack_works_without_the_guard() {
    for attack in ATTACKS {
        let world = World::new();
        let repository = world.repository("r");
        let (program, fired) = trap(&world);
        (attack.plant)(&world, &repository, &program);
        person(&world, &repository, attack);
        assert!(fired.exists(), "not an attack: {}", attack.name);
    }
}

#[test]
fn no_attack_works_after_the_session() {
    for attack in ATTACKS {
        let world = World::new();
        let repository = world.repository("r");
        let (program, fired) = trap(&world);
        world.enter("s");
        (attack.plant)(&world, &repository, &program);
        let _ = fs::remove_file(&fired); // The agent's own git may have run it, inside.
        let left = world.leave("s");
        person(&world, &repository, attack);
        assert!(!fired.exists(), "{}", attack.name);
        // While the agent planted it, some of it may have gone already and let what followed pass.
        assert!(!left.quarantined.is_empty(), "{}", attack.name);
    }
}

#[test]
fn no_attack_stays_while_the_session_goes_on() {
    for attack in ATTACKS {
        let world = World::new();
        let repository = world.repository("r");
        let (program, _) = trap(&world);
        world.enter("s");
        (attack.plant)(&world, &repository, &program);
        until(attack.name, || !contains_trap(&world.work(), &program));
        world.leave("s");
    }
}

/// Whether anything that git reads or runs by itself names the trap or is it.
fn contains_trap(directory: &Path, program: &str) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return contains_trap(&path, program);
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let hook = path.parent().unwrap().ends_with(".git/hooks") && text.contains("touch");
        hook || (name.starts_with("config")
            && (text.contains(program) || text.contains("../more") || text.contains("= h\n")))
    })
}

/// Every ordinary command leaves its configuration as it made it, while a guard looks at it.
#[test]
fn ordinary_git_goes_on_working() {
    let world = World::new();
    let origin = world.scratch.path().join("origin.git");
    world.git_ok(world.scratch.path(), &["init", "-q", "--bare", "-b", "main", "origin.git"]);
    let repository = world.repository("r");
    let origin = origin.to_str().unwrap();
    world.git_ok(&repository, &["remote", "add", "origin", origin]);
    world.git_ok(&repository, &["push", "-q", "-u", "origin", "main"]);
    world.enter("s");
    let file = "protocol.file.allow=always";
    let commands: &[&[&str]] = &[
        &["checkout", "-q", "-b", "topic"],
        &["push", "-q", "-u", "origin", "topic"],
        &["remote", "add", "fork", "https://example.com/fork.git"],
        &["remote", "rename", "fork", "mine"],
        &["config", "user.name", "Agent"],
        &["config", "pull.rebase", "true"],
        &["checkout", "-q", "main"],
        &["branch", "-q", "-D", "topic"],
        &["checkout", "-q", "--track", "origin/topic"],
        &["-c", file, "submodule", "--quiet", "add", origin, "lib"],
        &["commit", "-q", "-m", "two"],
        &["worktree", "add", "-q", "w"],
        &["-C", "w", "checkout", "-q", "-b", "other"],
        &["worktree", "remove", "w"],
        &["init", "-q", "new"],
        &["init", "-q"],
        &["clone", "-q", origin, "copy"],
        &["-c", file, "clone", "-q", "--recurse-submodules", ".", "again"],
        &["-C", "again", "-c", file, "submodule", "update", "--init"],
        &["sparse-checkout", "set", "--no-cone", "/*"],
        &["stash", "list"],
        &["gc", "-q"],
        &["rebase", "-q", "main"],
    ];
    for arguments in commands {
        world.git_ok(&repository, arguments);
    }
    let left = world.leave("s");
    assert_eq!(World::quarantined(&left), Vec::<String>::new());
    let get = |at: &str, key: &str| world.git_ok(&repository.join(at), &["config", "--get", key]);
    assert_eq!(get("", "branch.topic.remote"), "origin");
    assert_eq!(get("", "remote.mine.url"), "https://example.com/fork.git");
    assert_eq!(get("", "submodule.lib.url"), origin);
    assert_eq!(get("copy", "remote.origin.url"), origin);
    assert_eq!(get("again/lib", "remote.origin.url"), origin);
}

/// A hook manager that installs itself (husky 9 does exactly this) does not fail, commits go on inside, and nothing is left outside.
#[test]
fn a_hook_manager_can_be_installed_and_has_no_effect_outside() {
    let world = World::new();
    let repository = world.repository("r");
    let (program, fired) = trap(&world);
    world.enter("s");
    for _ in 0..5 {
        world.git_ok(&repository, &["config", "core.hooksPath", ".husky/_"]);
        fs::create_dir_all(repository.join(".husky/_")).unwrap();
        fs::write(repository.join(".husky/_/.gitignore"), "*").unwrap();
        fs::copy(&program, repository.join(".husky/_/pre-commit")).unwrap();
        fs::write(repository.join(".husky/pre-commit"), "npm test\n").unwrap();
        // A commit that has found the hook already would miss it while it is taken away.
        until("the hook goes", || !repository.join(".husky/_/pre-commit").exists());
        world.git_ok(&repository, &["commit", "-q", "--allow-empty", "-m", "x"]);
    }
    world.leave("s");
    let _ = fs::remove_file(&fired);
    world.git_ok(&repository, &["commit", "-q", "--allow-empty", "-m", "y"]);
    assert!(!fired.exists());
    assert!(repository.join(".husky/_").is_dir());
}

#[test]
fn nothing_that_git_writes_beside_an_unsafe_variable_is_lost() {
    let world = World::new();
    let repository = world.repository("r");
    world.enter("s");
    for index in 0..40 {
        // Whatever is being cleaned meanwhile.
        world.git_ok(&repository, &["config", "alias.x", &format!("!{index}")]);
        world.git_ok(&repository, &["config", &format!("branch.b{index}.merge"), "refs/heads/main"]);
    }
    world.leave("s");
    for index in 0..40 {
        world.git_ok(&repository, &["config", "--get", &format!("branch.b{index}.merge")]);
    }
    assert!(!world.git(&repository, &["config", "--get", "alias.x"]).status.success());
}
