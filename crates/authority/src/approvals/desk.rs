//! Where questions wait for people: one desk for all sessions, with a limit for each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bailiwick_core::{
    Answer, Approval, ApprovalId, Problem, Reason, ReasonCode, Scope, SessionId, Subject, Timestamp,
};
use bailiwick_store::SittingStore;
use bailiwick_wire::ApprovalView;
use tokio::sync::{broadcast, watch};

use super::{
    Answered, Given, Question,
    hold::{Hold, State, lasts, same},
};
use crate::{Clock, authority::resolve, settings::ApprovalSettings};

/// Attempts that may wait for one answer.
const WAITING: usize = 64;
/// Announcements kept for a launcher that is slow to read them.
const ANNOUNCED: usize = 64;

/// Something for the launcher of a session, which tells the person at the terminal.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    pub(crate) session: SessionId,
    pub(crate) what: Announced,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announced {
    /// A question was put.
    Asked {
        /// What can be answered.
        id: ApprovalId,
        /// What it is about, in one line of what it seems to be.
        line: String,
    },
    /// Its time is almost up.
    Ends {
        /// When it ends.
        at: Timestamp,
    },
}

/// All questions of all live sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Desk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    limits: Mutex<ApprovalSettings>,
    sittings: Mutex<HashMap<SessionId, Sitting>>,
    announce: broadcast::Sender<Announcement>,
    store: Arc<dyn SittingStore>,
    /// One at a time writes to the store.
    writing: tokio::sync::Mutex<()>,
}

/// The questions of one session, and how many it put since a person last looked.
#[derive(Debug, Default)]
pub(super) struct Sitting {
    pub(super) holds: Vec<Hold>,
    pub(super) asked: usize,
    /// Whether it asked too often, and a person is to look.
    pub(super) paused: bool,
}

/// What asking comes to.
#[derive(Debug)]
pub(crate) enum Asking {
    /// It waits for an answer.
    Waits(Ticket),
    /// There is no use in asking.
    Refused(Reason),
    /// It asked once too often: the session is to pause.
    TooOften(Reason),
}

/// A place among those who wait for one answer; given up when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    desk: Desk,
    session: SessionId,
    subject: Subject,
    pub(crate) id: ApprovalId,
    answered: watch::Receiver<bool>,
}

impl Desk {
    pub(crate) fn new(clock: Clock, limits: ApprovalSettings, store: Arc<dyn SittingStore>) -> Self {
        Self(Arc::new(Shared {
            clock,
            limits: Mutex::new(limits),
            sittings: Mutex::default(),
            announce: broadcast::Sender::new(ANNOUNCED),
            store,
            writing: tokio::sync::Mutex::default(),
        }))
    }

    pub(crate) fn limits(&self) -> ApprovalSettings {
        self.0.limits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_limits(&self, limits: ApprovalSettings) {
        *self.0.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Every question that is put from now on.
    pub(crate) fn announcements(&self) -> broadcast::Receiver<Announcement> {
        self.0.announce.subscribe()
    }

    /// Takes a yes that was given for `subject` in `session` before; one for its whole target alone, where `of_target` says so.
    pub(crate) fn take(&self, session: SessionId, subject: &Subject, of_target: bool) -> Option<Given> {
        let now = self.0.clock.now();
        let mut sittings = self.lock();
        let mut holds = sittings.get_mut(&session)?.holds.iter_mut();
        holds.find_map(|hold| {
            (!of_target || hold.covers(subject, now)).then(|| hold.take(subject, now)).flatten()
        })
    }

    /// Whether a yes for the whole target of `subject` is there.
    pub(crate) fn has(&self, session: SessionId, subject: &Subject) -> bool {
        let now = self.0.clock.now();
        self.lock()
            .get(&session)
            .is_some_and(|sitting| sitting.holds.iter().any(|hold| hold.covers(subject, now)))
    }

    /// Puts a question, or joins the same one.
    pub(crate) fn ask(&self, question: Question) -> Asking {
        let (now, limits) = (self.0.clock.now(), self.limits());
        let (session, subject) = (question.session, question.subject);
        let mut sittings = self.lock();
        let sitting = sittings.entry(session).or_default();
        if let Some(by) = sitting.holds.iter().find_map(|hold| hold.denied(&subject, now)) {
            return Asking::Refused(said_no(by.as_str()));
        }
        if let Some(hold) =
            sitting.holds.iter_mut().find(|hold| same(hold, session, &subject) && hold.is_open(now))
        {
            if hold.waiting >= WAITING {
                return Asking::Refused(too_many_wait(hold.id));
            }
            hold.open_until = now.after(limits.valid);
            return Asking::Waits(self.ticket(hold));
        }
        if sitting.asked >= limits.total {
            sitting.paused = true;
            return Asking::TooOften(asked_too_often(session, limits.total));
        }
        if sitting.holds.iter().filter(|hold| hold.is_open(now)).count() >= limits.open {
            return Asking::Refused(too_many_open(limits.open));
        }
        sitting.asked += 1;
        let id = ApprovalId::from_uuid(self.0.clock.uuid());
        let line = question.line.clone();
        let mut hold = Hold::new(id, question, now, limits.valid);
        let ticket = self.ticket(&mut hold);
        sitting.holds.push(hold);
        drop(sittings);
        self.announce(session, Announced::Asked { id, line });
        Asking::Waits(ticket)
    }

    /// Tells whoever is at the terminal of a session.
    pub(crate) fn announce(&self, session: SessionId, what: Announced) {
        // Nobody listens where the launcher is gone; then there is nobody to tell.
        let _ = self.0.announce.send(Announcement { session, what });
    }

    fn ticket(&self, hold: &mut Hold) -> Ticket {
        hold.waiting += 1;
        Ticket {
            desk: self.clone(),
            session: hold.question.session,
            subject: hold.question.subject,
            id: hold.id,
            answered: hold.answered.subscribe(),
        }
    }

    /// Lets a session ask again, after a person looked.
    pub(crate) fn reset(&self, session: SessionId) {
        if let Some(sitting) = self.lock().get_mut(&session) {
            sitting.asked = 0;
            sitting.paused = false;
        }
    }

    pub(super) fn drop_sitting(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    pub(super) fn put_sitting(&self, session: SessionId, sitting: Sitting) {
        self.lock().insert(session, sitting);
    }

    pub(super) fn with<T>(&self, session: SessionId, look: impl FnOnce(&Sitting) -> T) -> Option<T> {
        self.lock().get(&session).map(look)
    }

    pub(super) fn store(&self) -> &Arc<dyn SittingStore> {
        &self.0.store
    }

    pub(super) fn writing(&self) -> &tokio::sync::Mutex<()> {
        &self.0.writing
    }

    /// The questions, oldest first; with `all`, those that were answered or ran out too.
    pub(crate) fn list(&self, all: bool) -> Vec<ApprovalView> {
        let now = self.0.clock.now();
        let sittings = self.lock();
        let holds = sittings.values().flat_map(|sitting| &sitting.holds);
        let mut views: Vec<_> =
            holds.filter(|hold| all || hold.is_open(now)).map(|hold| view(hold, now)).collect();
        views.sort_by_key(|view| view.id);
        views
    }

    /// The question that `reference` means.
    pub(crate) fn find(&self, reference: &str) -> Result<ApprovalView, Problem> {
        let views = self.list(true);
        let open = views.iter().filter(|view| view.state == "open").count();
        // `-` is the oldest that is open: the next card.
        if let ("-", Some(next)) = (reference, views.iter().find(|view| view.state == "open")) {
            return Ok(next.clone());
        }
        let ids = views.iter().map(|view| view.id.to_string()).collect();
        let id = match (reference, open) {
            ("-", _) => return Err(nothing_waits()),
            _ => resolve(reference, ids, "approval")?,
        };
        views.into_iter().find(|view| view.id.to_string() == id).ok_or_else(nothing_waits)
    }

    /// Begins to answer: nobody else can answer it meanwhile. `digest` is what the approver was shown.
    pub(crate) fn begin_answer(
        &self,
        id: ApprovalId,
        digest: bailiwick_core::Digest,
        draft: Draft,
    ) -> Result<Answering, Problem> {
        let (now, valid) = (self.0.clock.now(), self.limits().valid);
        let mut sittings = self.lock();
        let hold = hold_of(&mut sittings, id).ok_or_else(nothing_waits)?;
        if !hold.is_open(now) || hold.state != State::Open {
            let problem =
                Problem::new(409, "answered", format!("`{id}` is not open any more: {}", hold.word(now)));
            return Err(problem.with_fix("bailiwick approval list --all"));
        }
        if hold.question.subject.effect != digest {
            let detail =
                "the answer is to something else than what waits: it must name the digest that was shown";
            return Err(Problem::new(409, "digest", detail).with_fix(format!("bailiwick approval show {id}")));
        }
        if draft.answer == Answer::Yes && hold.question.not_by.as_ref() == Some(&draft.by) {
            let detail = format!("it is `{}`'s own work, and another person must say yes", draft.by);
            return Err(Problem::new(403, "two_person", detail)
                .with_fix("have somebody else answer: sudo env BAILIWICK_HOME=… bailiwick approve"));
        }
        hold.state = State::Answering;
        let approval = Approval {
            id,
            act: hold.question.act,
            session: hold.question.session,
            subject: hold.question.subject,
            answer: draft.answer,
            scope: draft.scope,
            by: draft.by,
            at: now,
            expires_at: lasts(draft.scope, now, valid, draft.session_ends),
        };
        drop(sittings);
        Ok(Answering { desk: self.clone(), approval, recorded: false })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Sitting>> {
        self.0.sittings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is being put on record. Dropped before it is, the question is open again. A yes for a target answers what else waits for
/// the same.
#[derive(Debug)]
pub(crate) struct Answering {
    desk: Desk,
    approval: Approval,
    recorded: bool,
}

impl Answering {
    pub(crate) fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The answer is on record: it holds from here on.
    pub(crate) fn recorded(mut self) -> Approval {
        self.recorded = true;
        self.approval.clone()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut sittings = self.desk.lock();
        let approval = &self.approval;
        let Some(sitting) = sittings.get_mut(&approval.session) else { return };
        for hold in &mut sitting.holds {
            let own = hold.id == approval.id;
            let same_target = self.recorded && hold.state == State::Open && hold.is_answered_by(approval);
            if own || same_target {
                hold.state = match self.recorded {
                    true => State::Answered { approval: approval.clone(), used: 0 },
                    false => State::Open,
                };
                hold.answered.send_replace(true);
            }
        }
    }
}

/// What a person said, before it is checked.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) answer: Answer,
    pub(crate) scope: Scope,
    pub(crate) by: bailiwick_core::Name,
    pub(crate) session_ends: Timestamp,
}

impl Ticket {
    /// Waits for the answer, for `patience` at most. A yes for one effect is used up by the first who gets here.
    pub(crate) async fn wait(&mut self, patience: Duration) -> Answered {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            if let Some(answered) = self.look() {
                return answered;
            }
            let changed = tokio::time::timeout_at(deadline, self.answered.changed()).await;
            // Late, or the session ended and its questions are gone.
            if !matches!(changed, Ok(Ok(()))) {
                return Answered::Nothing;
            }
        }
    }

    fn look(&self) -> Option<Answered> {
        let now = self.desk.0.clock.now();
        let mut sittings = self.desk.lock();
        let Some(hold) = hold_of(&mut sittings, self.id) else { return Some(Answered::Nothing) };
        if let Some(given) = hold.take(&self.subject, now) {
            return Some(Answered::Yes(given));
        }
        match &hold.state {
            State::Open | State::Answering => None,
            State::Answered { approval, .. } if approval.answer == Answer::No => {
                Some(Answered::No(approval.by.clone()))
            }
            // An identical attempt was first.
            State::Answered { .. } => Some(Answered::Nothing),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut sittings = self.desk.lock();
        let hold = sittings
            .get_mut(&self.session)
            .and_then(|sitting| sitting.holds.iter_mut().find(|hold| hold.id == self.id));
        if let Some(hold) = hold {
            hold.waiting = hold.waiting.saturating_sub(1);
        }
    }
}

fn hold_of(sittings: &mut HashMap<SessionId, Sitting>, id: ApprovalId) -> Option<&mut Hold> {
    sittings.values_mut().flat_map(|sitting| &mut sitting.holds).find(|hold| hold.id == id)
}

fn view(hold: &Hold, now: Timestamp) -> ApprovalView {
    let question = &hold.question;
    ApprovalView {
        id: hold.id,
        session: question.session,
        agent: question.agent.clone(),
        act: question.act,
        digest: question.subject.effect,
        line: question.line.clone(),
        state: hold.word(now).to_owned(),
        waiting: hold.waiting,
        asked_at: hold.asked_at,
        open_until: hold.open_until,
        approval: match &hold.state {
            State::Answered { approval, .. } => Some(approval.clone()),
            State::Open | State::Answering => None,
        },
        card: question.card.lines().to_vec(),
    }
}

fn nothing_waits() -> Problem {
    Problem::new(404, "not_found", "there is no such approval").with_fix("bailiwick approval list --all")
}

fn said_no(by: &str) -> Reason {
    Reason::new(ReasonCode::ApprovalDenied, format!("`{by}` said no to exactly this"))
        .with_fix("do without it, or do something else; asking again does not help")
}

fn too_many_wait(id: ApprovalId) -> Reason {
    let detail = format!("{WAITING} identical attempts already wait for the same answer");
    Reason::new(ReasonCode::QuotaExceeded, detail).with_fix(format!("bailiwick approval show {id}"))
}

fn too_many_open(limit: usize) -> Reason {
    let detail = format!("{limit} questions of this session already wait for a person");
    Reason::new(ReasonCode::QuotaExceeded, detail)
        .with_fix("answer those first: bailiwick approve; then try the same again")
}

fn asked_too_often(session: SessionId, limit: usize) -> Reason {
    let detail = format!("the session asked a person {limit} times and is paused");
    Reason::new(ReasonCode::Paused, detail)
        .with_fix(format!("look at what it asked: bailiwick approval list --all; then let it go on: bailiwick session resume {session}"))
}
