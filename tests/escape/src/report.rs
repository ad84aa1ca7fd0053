//! The table.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::expected::{Expectation, Verdict};
use crate::judge::Observed;
use crate::run::Place;

/// What came of one attack in all places.
#[derive(Debug)]
pub struct Line {
    /// The attack.
    pub name: &'static str,
    /// What was seen. Without a sandbox it must have succeeded, or the others were not tried.
    pub seen: BTreeMap<Place, Observed>,
    /// What should have been.
    pub expected: Expectation,
    /// What helps to understand a difference.
    pub notes: Vec<String>,
}

impl Line {
    /// It succeeded without a sandbox, so that it says something elsewhere.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        self.seen.get(&Place::Unsandboxed).is_some_and(|observed| *observed != Observed::Closed)
    }

    /// Whether Bailiwick did as expected; `None` where it was not tested.
    #[must_use]
    pub fn holds(&self) -> Option<bool> {
        let observed = self.seen.get(&Place::Bailiwick).filter(|_| self.is_tested())?;
        Some(self.expected.verdict.holds(*observed))
    }

    fn cell(&self, place: Place) -> &'static str {
        match self.seen.get(&place) {
            None => "-",
            Some(_) if !self.is_tested() => "not tested",
            Some(Observed::Closed) => "closed",
            Some(Observed::AtExit) => "at exit",
            Some(Observed::Open)
                if place == Place::Bailiwick && self.expected.verdict == Verdict::ByDesign =>
            {
                "by design"
            }
            Some(Observed::Open) => "OPEN",
        }
    }
}

/// The whole suite.
#[derive(Debug)]
pub struct Report {
    /// In the order of the cases.
    pub lines: Vec<Line>,
    /// Who ran it.
    pub who: String,
}

impl Report {
    /// The attacks whose reality is not what `expected.toml` says.
    #[must_use]
    pub fn differences(&self) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.holds() == Some(false)).collect()
    }

    /// How many attacks said something about Bailiwick.
    #[must_use]
    pub fn tested(&self) -> usize {
        self.lines.iter().filter(|line| line.holds().is_some()).count()
    }

    fn open(&self, place: Place) -> (usize, usize) {
        let tried = self.lines.iter().filter(|line| line.is_tested() && line.seen.contains_key(&place));
        let open = tried.clone().filter(|line| line.seen.get(&place) == Some(&Observed::Open));
        (open.count(), tried.count())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:<12} {:<12} {:<12} held by",
            self.who, "unsandboxed", "bubblewrap", "bailiwick"
        )?;
        for line in &self.lines {
            let cells =
                [Place::Unsandboxed, Place::Bubblewrap, Place::Bailiwick].map(|place| line.cell(place));
            let [first, second, third] = cells;
            writeln!(f, "{:<28} {first:<12} {second:<12} {third:<12} {}", line.name, line.expected.layer)?;
        }
        for place in [Place::Unsandboxed, Place::Bubblewrap, Place::Bailiwick] {
            let (open, tried) = self.open(place);
            writeln!(f, "{}: {open} of {tried} open", place.name())?;
        }
        for line in self.differences() {
            let seen = line.seen.get(&Place::Bailiwick);
            writeln!(f, "DIFFERS {}: expected {}, saw {seen:?}", line.name, line.expected.verdict.name())?;
            for note in &line.notes {
                writeln!(f, "    {note}")?;
            }
        }
        Ok(())
    }
}
