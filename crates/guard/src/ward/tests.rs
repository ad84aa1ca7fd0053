use super::*;

#[test]
fn what_was_to_go_and_is_gone_by_itself_is_in_nobodys_way() {
    let scratch = tempfile::tempdir().unwrap();
    let (work, state) = (scratch.path().join("work"), scratch.path().join("state"));
    fs::create_dir(&work).unwrap();
    let mut ward = Ward::begin(&work, &state.join("one"), &state).unwrap();
    ward.enter("s", Vec::new(), Box::new(|| {}));
    fs::write(work.join(".envrc"), "touch here").unwrap();
    ward.turn();
    assert!(ward.tracked.values().any(|tracked| tracked.bad_since.is_some()), "it has a moment");
    fs::remove_file(work.join(".envrc")).unwrap();
    ward.finish().unwrap();
    assert!(!ward.baseline_file.exists());
}

#[test]
fn what_a_full_queue_swallowed_is_found_all_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let (work, state) = (scratch.path().join("work"), scratch.path().join("state"));
    fs::create_dir(&work).unwrap();
    let mut ward = Ward::begin(&work, &state.join("one"), &state).unwrap();
    ward.enter("s", Vec::new(), Box::new(|| {}));
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: usize = most.trim().parse().unwrap();
    // Nobody reads meanwhile: what comes after the first so many is lost.
    for index in 0..=most {
        fs::File::create(work.join(index.to_string())).unwrap();
    }
    fs::create_dir(work.join("late")).unwrap();
    fs::write(work.join("late/.envrc"), "evil").unwrap();
    for _ in 0..200 {
        ward.turn();
        if !work.join("late/.envrc").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(!work.join("late/.envrc").exists(), "it was never found");
}

#[test]
fn locks_that_an_agent_leaves_do_not_keep_the_guard_from_the_rest() {
    let scratch = tempfile::tempdir().unwrap();
    let (work, state) = (scratch.path().join("work"), scratch.path().join("state"));
    fs::create_dir(&work).unwrap();
    let mut ward = Ward::begin(&work, &state.join("one"), &state).unwrap();
    ward.enter("s", Vec::new(), Box::new(|| {}));
    let git = |number: usize| work.join(format!("r{number}/.git"));
    for number in 0..50 {
        fs::create_dir_all(git(number).join("objects")).unwrap();
        fs::create_dir_all(git(number).join("refs")).unwrap();
        fs::write(git(number).join("HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(git(number).join("config.lock"), "").unwrap();
        fs::write(git(number).join("config"), "[core]\n\tfsmonitor = evil\n").unwrap();
    }
    ward.git_patience = 5;
    ward.hand_off("s");
    assert_eq!(ward.git_patience, 0, "it waited for git, and not for each");
    let evil =
        |number| fs::read_to_string(git(number).join("config")).is_ok_and(|text| text.contains("evil"));
    assert!((0..50).all(|number| !evil(number)));
}
