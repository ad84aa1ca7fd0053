//! What a session was exposed to counts for what comes after it, for who works beside it, and for who comes after it.

use bailiwick_core::{Confidentiality, Integrity};

use super::*;

/// Three resources, and a rule: who has seen payroll sends to payroll only.
const RESOURCES: [(&str, &str); 3] = [
    (
        "payroll",
        "address = 'https://payroll.example'\ntemplate = 'http'\n[attributes]\nsensitivity = 'confidential'\ncompartments = ['payroll']\n",
    ),
    ("paste", "address = 'https://paste.example'\ntemplate = 'http'\n[attributes]\nsensitivity = 'public'\n"),
    ("wiki", "address = 'https://wiki.example'\ntemplate = 'http'\n"),
];
const RULE: &str = r#"@id("apart") @why("what is kept apart stays apart")
forbid (principal, action in Action::"write", resource)
unless { resource.compartments.containsAll(context.labels.compartments) };"#;

impl Bench {
    fn with_the_rule() -> Self {
        let bench = Self::new(Duration::from_secs(600));
        for (name, text) in RESOURCES {
            std::fs::write(bench.home.path().join(format!("resources/{name}.toml")), text).unwrap();
        }
        std::fs::write(bench.home.path().join("policies/apart.cedar"), RULE).unwrap();
        bench.gate.replace_snapshot(Snapshot::load(bench.home.path(), &Settings::default()).unwrap());
        bench
    }

    /// A session that works in `workspace`, below `parent` if there is one.
    pub(super) fn working_in(
        &self,
        number: u128,
        workspace: &str,
        parent: Option<&Arc<LiveSession>>,
    ) -> Arc<LiveSession> {
        let clock = self.gate.clock();
        let session = Session {
            id: SessionId::from_uuid(Uuid::from_u128(number)),
            parent: parent.map(|parent| parent.id()),
            workspace: Some(workspace.to_owned()),
            ..session(&clock)
        };
        let place = self.gate.exposures().place(Some(workspace));
        let live = LiveSession::new(session, parent.cloned(), place, 8, clock.now()).unwrap();
        let live = Arc::new(live);
        for place in live.places() {
            place.enter(&live);
        }
        live
    }

    async fn read(&self, session: &Arc<LiveSession>, resource: &str) -> Result<Admission, Denied> {
        self.on(session, resource, Effects::READ).await
    }

    async fn write(&self, session: &Arc<LiveSession>, resource: &str) -> Result<Admission, Denied> {
        self.on(session, resource, Effects::WRITE).await
    }

    async fn on(
        &self,
        session: &Arc<LiveSession>,
        resource: &str,
        effects: Effects,
    ) -> Result<Admission, Denied> {
        let resource = ResourceRef::Listed { name: resource.parse().unwrap() };
        self.gate.admit(session, Attempt { resource, ..attempt(effects) }).await
    }
}

#[tokio::test]
async fn what_was_read_counts_for_what_is_sent_after_it() {
    let bench = Bench::with_the_rule();
    let session = bench.working_in(1, "/w", None);
    bench.write(&session, "paste").await.unwrap();
    bench.read(&session, "wiki").await.unwrap();
    bench.write(&session, "paste").await.unwrap();
    bench.read(&session, "payroll").await.unwrap();
    let denied = bench.write(&session, "paste").await.unwrap_err();
    assert_eq!(code(&denied), Some(ReasonCode::Forbidden), "{denied:?}");
    bench.write(&session, "payroll").await.unwrap();
    let seen = session.labels();
    assert_eq!((seen.confidentiality, seen.integrity), (Confidentiality::Confidential, Integrity::Untrusted));
}

#[tokio::test]
async fn a_second_session_on_the_same_workspace_has_seen_what_the_first_has() {
    let bench = Bench::with_the_rule();
    bench.read(&bench.working_in(1, "/w/app", None), "payroll").await.unwrap();
    for (number, workspace) in [(5, "/w/application"), (6, "/other")] {
        let elsewhere = bench.working_in(number, workspace, None);
        bench.write(&elsewhere, "paste").await.unwrap();
    }
    for (number, workspace) in [(2, "/w/app"), (3, "/w"), (4, "/w/app/deep")] {
        let later = bench.working_in(number, workspace, None);
        assert!(bench.write(&later, "paste").await.is_err(), "{workspace}");
    }
    // What a later daemon knows of it.
    let again = Exposures::load(Arc::clone(&bench.shelf) as _).unwrap();
    assert!(again.place(Some("/w/app")).seen().compartments.contains("payroll"));
    assert!(again.place(Some("/w")).seen().compartments.contains("payroll"));
}

#[tokio::test]
async fn who_works_there_already_is_cut_where_it_may_not_go_on() {
    let bench = Bench::with_the_rule();
    let (one, other) = (bench.working_in(1, "/w", None), bench.working_in(2, "/w", None));
    let sending = bench.write(&other, "paste").await.unwrap();
    let harmless = bench.read(&other, "wiki").await.unwrap();
    let reading = bench.read(&one, "payroll").await.unwrap();
    assert!(sending.stop().is_cancelled(), "it could send what is read from now on");
    assert!(!harmless.stop().is_cancelled() && !reading.stop().is_cancelled());
}

#[tokio::test]
async fn a_child_has_seen_what_its_parent_has() {
    let bench = Bench::with_the_rule();
    let parent = bench.working_in(1, "/parent", None);
    let child = bench.working_in(2, "/child", Some(&parent));
    let sending = bench.write(&child, "paste").await.unwrap();
    bench.read(&parent, "payroll").await.unwrap();
    assert!(sending.stop().is_cancelled() && bench.write(&child, "paste").await.is_err());
    // The other way it comes with the child's answer, not before.
    let sister = bench.working_in(3, "/sister", None);
    let niece = bench.working_in(4, "/niece", Some(&sister));
    bench.read(&niece, "payroll").await.unwrap();
    bench.write(&sister, "paste").await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_read() {
    let bench = Bench::with_the_rule();
    let session = bench.working_in(1, "/w", None);
    bench.shelf.broken.store(true, Ordering::Relaxed);
    let denied = bench.read(&session, "payroll").await.unwrap_err();
    assert_eq!(code(&denied), Some(ReasonCode::LedgerUnavailable), "{denied:?}");
    bench.shelf.broken.store(false, Ordering::Relaxed);
    bench.read(&session, "payroll").await.unwrap();
    assert_eq!(bench.shelf.exposures().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_read_at_the_second_try_cuts_what_is_under_way_all_the_same() {
    let bench = Bench::with_the_rule();
    let (one, other) = (bench.working_in(1, "/w", None), bench.working_in(2, "/w", None));
    let sending = bench.write(&other, "paste").await.unwrap();
    bench.shelf.broken.store(true, Ordering::Relaxed);
    bench.read(&one, "payroll").await.unwrap_err();
    assert!(!sending.stop().is_cancelled(), "nothing was read");
    bench.shelf.broken.store(false, Ordering::Relaxed);
    bench.read(&one, "payroll").await.unwrap();
    assert!(sending.stop().is_cancelled());
}

#[tokio::test]
async fn a_workspace_is_forgotten_with_what_lies_below_it_and_nothing_else() {
    let bench = Bench::with_the_rule();
    for (number, workspace) in [(1, "/w/a"), (2, "/w/b")] {
        bench.read(&bench.working_in(number, workspace, None), "payroll").await.unwrap();
    }
    let forgotten = bench.gate.exposures().forget("/w/a").await.unwrap();
    assert_eq!(forgotten.len(), 1);
    bench.write(&bench.working_in(3, "/w/a", None), "paste").await.unwrap();
    assert!(bench.write(&bench.working_in(4, "/w/b", None), "paste").await.is_err());
}
