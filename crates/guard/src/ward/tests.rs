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
