//! The card as a person sees it, and what a person must type.
//!
//! A hostile program may draw whatever it likes on its own screen, and may make a terminal type. So a line of the card never wraps by
//! itself to where a label would stand, and yes is a word that is new each time.

use bailiwick_core::{Answer, Scope};
use bailiwick_wire::{ApprovalView, CardLine};

/// Columns before the text of a line.
const MARGIN: usize = 12;
/// The fewest columns that text gets, however narrow the terminal.
const NARROWEST: usize = 20;

/// The words that answer one showing of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    once: String,
    target: String,
}

impl Words {
    /// Two words of three letters, never the same twice in a row.
    pub(crate) fn new() -> Self {
        let bytes = uuid::Uuid::new_v4().into_bytes();
        let once = word([bytes[0], bytes[1], bytes[2]]);
        let target = [3_usize, 4, 5]
            .map(|start| word([bytes[start], bytes[start + 5], bytes[start + 8]]))
            .into_iter()
            .find(|word| *word != once)
            .unwrap_or_else(|| "yes, for the target".to_owned());
        Self { once, target }
    }

    /// The word for yes, once.
    pub(crate) fn once(&self) -> &str {
        &self.once
    }

    /// What was typed means. Nothing unless it is one of the words or `no`.
    pub(crate) fn read(&self, typed: &str) -> Option<(Answer, Scope)> {
        match typed.trim() {
            "no" => Some((Answer::No, Scope::Effect)),
            typed if typed == self.once => Some((Answer::Yes, Scope::Effect)),
            typed if typed == self.target => Some((Answer::Yes, Scope::Target)),
            _ => None,
        }
    }

    /// What was typed below several cards means: never a target.
    pub(crate) fn read_once(&self, typed: &str) -> Option<Answer> {
        self.read(typed).and_then(|(answer, scope)| (scope == Scope::Effect).then_some(answer))
    }

    /// What may be typed below `count` cards, one line each.
    pub(crate) fn lines_for(&self, count: usize) -> Vec<String> {
        vec![
            format!("  {}   yes, to exactly these {count}, once each", self.once),
            "  no    no to all of them; the same again is refused for ten minutes".to_owned(),
            "  else  they wait on, unanswered".to_owned(),
        ]
    }

    /// What may be typed, one line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        vec![
            format!("  {}   yes, to exactly this, once", self.once),
            format!("  {}   yes, to this operation on this target while the session lives", self.target),
            "  no    no; the same again is refused for ten minutes".to_owned(),
            "  else  it waits on, unanswered".to_owned(),
        ]
    }
}

/// A word that can be said: consonant, vowel, consonant. None is `no` or looks like it.
fn word([first, second, third]: [u8; 3]) -> String {
    const CONSONANTS: &[u8] = b"bdfgklmprstvz";
    const VOWELS: &[u8] = b"aeiou";
    let pick = |letters: &[u8], byte: u8| char::from(letters[usize::from(byte) % letters.len()]);
    [pick(CONSONANTS, first), pick(VOWELS, second), pick(CONSONANTS, third)].into_iter().collect()
}

/// The card in lines of at most `columns`, without what may be typed. `place` says which of how many open ones it is.
pub(crate) fn lines(view: &ApprovalView, place: (usize, usize), columns: usize) -> Vec<String> {
    let room = columns.saturating_sub(MARGIN + 1).max(NARROWEST);
    let mut lines = vec![
        format!("── bailiwick asks: may this happen? ({} of {}) {}", place.0, place.1, view.id),
        String::new(),
    ];
    for CardLine { label, text } in &view.card {
        for (number, part) in wrapped(text, room).into_iter().enumerate() {
            let label = if number == 0 { label.as_str() } else { "" };
            lines.push(format!("  {label:<8}│ {part}"));
        }
    }
    lines.push(String::new());
    lines
}

/// `text` in pieces that a terminal shows in `room` columns, between words where there are some. What may be wide counts double.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let width = |text: &str| text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
    let mut pieces = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let piece = pieces.last().map_or(0, |piece| width(piece));
        if piece > 0 && piece + width(word.trim_end()) > room {
            pieces.push(String::new());
        }
        for c in word.chars() {
            if pieces.last().is_some_and(|piece| width(piece) + width(c.encode_utf8(&mut [0; 4])) > room) {
                pieces.push(String::new());
            }
            if let Some(last) = pieces.last_mut() {
                last.push(c);
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_never_wraps_to_where_a_label_stands() {
        let text = "x".repeat(95) + &"日".repeat(30);
        for piece in wrapped(&text, 40) {
            assert!(piece.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>() <= 40, "{piece}");
        }
        assert_eq!(wrapped(&text, 40).concat(), text);
        assert_eq!(wrapped("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrapped(&" ".repeat(20), 8).concat(), " ".repeat(20));
    }

    #[test]
    fn only_the_words_answer() {
        let words = Words { once: "kor".into(), target: "dax".into() };
        assert_eq!(words.read(" kor\n"), Some((Answer::Yes, Scope::Effect)));
        assert_eq!((words.read_once("kor"), words.read_once("dax")), (Some(Answer::Yes), None));
        assert_eq!(words.read("dax"), Some((Answer::Yes, Scope::Target)));
        assert_eq!(words.read("no"), Some((Answer::No, Scope::Effect)));
        for other in ["", "y", "yes", "Kor", "kor dax", "korkor"] {
            assert_eq!(words.read(other), None, "{other}");
        }
        assert!((0..200).all(|_| {
            let words = Words::new();
            words.once != words.target && words.once.len() == 3
        }));
    }
}
