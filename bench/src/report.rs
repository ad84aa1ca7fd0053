//! What was found, as a table for people and one line of JSON for programs.

use serde::Serialize;

use crate::measure::Spread;

/// One row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    bench: &'static str,
    name: String,
    unit: &'static str,
    ours: Spread,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<(String, Spread)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Spread>,
    rounds: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<Goal>,
    met: Option<bool>,
    load: f64,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// Ours is at most this.
    AtMost(f64),
    /// The ratio is at most this.
    RatioAtMost(f64),
    /// The ratio is at least this.
    RatioAtLeast(f64),
}

impl Row {
    pub(crate) fn new(
        bench: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        ours: Spread,
    ) -> Self {
        Self {
            bench,
            name: name.into(),
            unit,
            ours,
            peer: None,
            ratio: None,
            rounds: 1,
            goal: None,
            met: None,
            load: load(),
        }
    }

    pub(crate) fn beside(mut self, peer: impl Into<String>, value: Spread, ratio: Spread) -> Self {
        self.peer = Some((peer.into(), value));
        self.ratio = Some(ratio);
        self
    }

    pub(crate) fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        let ratio = self.ratio.map(|ratio| ratio.median);
        self.met = match goal {
            Goal::AtMost(most) => Some(self.ours.median <= most),
            Goal::RatioAtMost(most) => ratio.map(|ratio| ratio <= most),
            Goal::RatioAtLeast(least) => ratio.map(|ratio| ratio >= least),
        };
        self.goal = Some(goal);
        self
    }

    fn cells(&self) -> [String; 7] {
        let number = |spread: &Spread| {
            format!("{} ({}–{})", short(spread.median), short(spread.min), short(spread.max))
        };
        let goal = self.goal.map_or_else(String::new, |goal| match goal {
            Goal::AtMost(most) => format!("≤ {} {}", short(most), self.unit),
            Goal::RatioAtMost(most) => format!("≤ {} ×", short(most)),
            Goal::RatioAtLeast(least) => format!("≥ {} ×", short(least)),
        });
        let met = self.met.map_or("", |met| if met { " yes" } else { " no" });
        [
            self.name.clone(),
            format!("{} {}", number(&self.ours), self.unit),
            self.peer.as_ref().map_or_else(String::new, |(name, value)| format!("{name} {}", number(value))),
            self.ratio.as_ref().map_or_else(String::new, number),
            format!("{goal}{met}"),
            self.rounds.to_string(),
            format!("{:.1}", self.load),
        ]
    }
}

/// The table.
pub(crate) fn print(rows: &[Row]) {
    let heads = ["what", "ours: median (min–max)", "peer", "ratio", "goal", "rounds", "load"];
    let mut table = vec![heads.map(str::to_owned)];
    table.extend(rows.iter().map(Row::cells));
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for row in &table {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.chars().count() + 2));
        }
        println!("{}", line.trim_end());
    }
}

/// Runnable tasks over the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

fn short(value: f64) -> String {
    match value.abs() {
        big if big >= 1000.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
