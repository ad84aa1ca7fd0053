//! What is wrong with a policy file, and where.

use std::fmt;

use miette::Diagnostic;

/// A mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub detail: String,
    /// What to write instead, where that is known.
    pub fix: Option<String>,
}

impl PolicyProblem {
    pub(crate) fn new(file: &str, detail: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, detail: detail.into(), fix: None }
    }

    pub(crate) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The problem that Cedar found in `text`.
    pub(crate) fn found(file: &str, text: &str, found: &(impl Diagnostic + fmt::Display)) -> Self {
        let offset = found.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let line =
            offset.and_then(|offset| text.get(..offset)).map(|before| before.matches('\n').count() + 1);
        let fix = found.help().map(|help| help.to_string());
        Self { file: file.to_owned(), line, detail: found.to_string(), fix }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.detail)?;
        self.fix.as_ref().map_or(Ok(()), |fix| write!(f, "; {fix}"))
    }
}
