//! What an answer exposes a session to: noted before the question leaves, because an answer that arrived cannot be taken back.

use std::sync::Arc;

use bailiwick_catalogue::{Attributes, Resource};
use bailiwick_core::{ActionId, Decision, Labels, Reason, ResourceRef};

use super::{Admission, Denied, Gate, stopped};
use crate::LiveSession;

/// Its answer is ours, and says nothing of what is upstream.
const RESOLVE: &str = "net.resolve";

impl Gate {
    /// Raises the labels of the session, and of all who work in its workspace, to what the answer to `admission` may tell. It is decided
    /// already: what it raises counts for what comes after it, and for what is under way beside it.
    pub(super) async fn expose(&self, admission: &mut Admission) -> Result<(), Denied> {
        let Some(labels) = answered_by(admission) else { return Ok(()) };
        let session = Arc::clone(&admission.session);
        match self.raise(&session, &labels, Some(admission.action.id)).await {
            Err(reason) => Err(admission.late(reason)),
            Ok(_) if admission.stop.is_cancelled() => Err(admission.late(stopped())),
            Ok(rose) => {
                admission.labels = rose.then(|| session.labels());
                Ok(())
            }
        }
    }

    /// Raises what `session` has been exposed to, and decides anew what is under way with that, but for `but`. Returns whether anything rose.
    ///
    /// # Errors
    /// If it cannot be made durable.
    pub(crate) async fn raise(
        &self,
        session: &LiveSession,
        labels: &Labels,
        but: Option<ActionId>,
    ) -> Result<bool, Reason> {
        let cut = |risen: Vec<Arc<LiveSession>>| {
            for session in &risen {
                self.decide_again(session, but);
            }
        };
        let raised = self.exposures().raise(session.place(), labels, cut).await;
        raised.map_err(|error| error.reason())
    }

    /// Decides again what `session` has under way, but for `but`. Returns how many were cut.
    pub(crate) fn decide_again(&self, session: &LiveSession, but: Option<ActionId>) -> usize {
        let mut cut = 0;
        for under_way in session.under_way() {
            if Some(under_way.action.id) == but || under_way.stop.is_cancelled() {
                continue;
            }
            let decision = self.decide(session, &under_way.action, under_way.approved);
            if !matches!(decision, Decision::Permit(_)) {
                under_way.stop.cancel();
                cut += 1;
            }
        }
        cut
    }
}

/// The labels of what answers: what its entry says, and where there is none what holds where nobody said anything. `None` where nothing
/// upstream answers.
fn answered_by(admission: &Admission) -> Option<Labels> {
    let action = &admission.action;
    let ours = matches!(action.resource, ResourceRef::Agent { .. }) || action.operation.as_str() == RESOLVE;
    let labels = |resource: &Arc<Resource>| resource.attributes.labels();
    (!ours).then(|| admission.resource.as_ref().map_or_else(|| Attributes::default().labels(), labels))
}
