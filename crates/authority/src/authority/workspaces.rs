//! Workspaces, as a person sees them: what each has been exposed to, and that it is gone.

use bailiwick_core::Problem;
use bailiwick_ledger::{Event, WorkspaceForgotten};
use bailiwick_wire::WorkspaceView;

use super::Authority;

impl Authority {
    /// The workspaces that have been exposed to anything, by their directories.
    pub fn workspaces(&self) -> Vec<WorkspaceView> {
        self.gate.exposures().list().into_iter().map(view).collect()
    }

    /// Forgets what `workspace`, and what lies below it, has been exposed to: a person says that nothing of it is there any more. On
    /// record before it counts.
    ///
    /// # Errors
    /// If nothing is known of it, a session works there, or it cannot be made durable.
    pub async fn forget_workspace(&self, workspace: &str) -> Result<Vec<WorkspaceView>, Problem> {
        let exposures = self.gate.exposures();
        let known = exposures.list();
        let below = |path: &str| std::path::Path::new(path).starts_with(workspace);
        if !known.iter().any(|(path, _)| below(path)) {
            let detail = format!("no session was exposed to anything in `{workspace}`");
            return Err(Problem::new(404, "not_found", detail).with_fix("bailiwick workspace list"));
        }
        if exposures.is_in_use(workspace) {
            let detail =
                format!("a session works in `{workspace}`, above or below it, and knows what it knows");
            return Err(Problem::new(409, "in_use", detail)
                .with_fix("bailiwick session list; bailiwick stop SESSION"));
        }
        for (path, labels) in known.into_iter().filter(|(path, _)| below(path)) {
            let event =
                Event::WorkspaceForgotten(WorkspaceForgotten { workspace: path, labels, by: self.user() });
            let recorded = self.gate.journal().daemon(event).await;
            recorded.map_err(|reason| Problem::new(503, reason.code.as_str(), reason.detail))?;
        }
        let forgotten = exposures.forget(workspace).await;
        let forgotten = forgotten.map_err(|error| Problem::new(500, "store", error.to_string()))?;
        Ok(forgotten.into_iter().map(view).collect())
    }
}

fn view((workspace, labels): (String, bailiwick_core::Labels)) -> WorkspaceView {
    WorkspaceView { workspace, labels }
}
