//! What the terminal was asked on the program's behalf, and the answers among what arrives from it.
//!
//! An answer passes when it was asked for, has exactly its form, and is written anew; it goes to the program alone and is never taken for
//! keys. Nothing else that has the form of an answer passes. All answers are numbers that the terminal chose: none can carry text of the
//! program's back as if a person had typed it.

use std::collections::VecDeque;

use super::sequence::{ESC, csi, csi_in_full, osc};

/// Questions that may be open at a time.
const MOST_OPEN: usize = 64;
/// The longest answer; longer ones are none.
const LONGEST: usize = 64;

/// What an answer about a colour is made of, up to its end.
const COLOUR_ANSWER: &[u8] = b"0123456789abcdefABCDEF;:/rg\x1b";

/// Something only the terminal knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Question {
    /// DA1. The terminal's answer says when; what it says is ours, as it would promise things that do not pass (sixels).
    Attributes,
    /// DA2, likewise.
    Version,
    /// DSR 5.
    Status,
    /// DSR 6: row and column of the cursor.
    Position,
    /// DECXCPR: the same, and a page.
    PagedPosition,
    /// DECRQM of a private mode.
    Mode(u16),
    /// The flags of the kitty keyboard protocol.
    Keyboard,
    /// Size of the window in pixels (14), of a cell in pixels (16), of the window in cells (18).
    Size(u16),
    /// A colour: of text (10), background (11), cursor (12). `bell` ends the answer as the question was ended.
    Colour { which: u16, bell: bool },
}

/// Questions in the order asked. A terminal answers in that order, so an answer ends the wait for all before it.
#[derive(Debug, Default)]
pub(super) struct Answers {
    open: VecDeque<Question>,
    /// The beginning of what may become an answer.
    held: Vec<u8>,
}

impl Answers {
    /// Asks the terminal.
    pub(super) fn ask(&mut self, question: Question, screen: &mut Vec<u8>) {
        if self.open.len() == MOST_OPEN {
            return;
        }
        self.open.push_back(question);
        match question {
            Question::Attributes => csi(screen, b"", &[0], b"c"),
            Question::Version => csi(screen, b">", &[0], b"c"),
            Question::Status => csi(screen, b"", &[5], b"n"),
            Question::Position => csi(screen, b"", &[6], b"n"),
            Question::PagedPosition => csi(screen, b"?", &[6], b"n"),
            Question::Mode(mode) => csi(screen, b"?", &[mode], b"$p"),
            Question::Keyboard => csi(screen, b"?", &[0], b"u"),
            Question::Size(what) => csi(screen, b"", &[what], b"t"),
            Question::Colour { which, .. } => osc(screen, &[which.to_string().as_bytes(), b";?"]),
        }
    }

    pub(super) fn awaited(&self) -> bool {
        !self.open.is_empty()
    }

    /// Parts answers from keys.
    pub(super) fn heard(&mut self, arrived: &[u8], keys: &mut Vec<u8>, inside: &mut Vec<u8>) {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(arrived);
        let mut left = &all[..];
        while let Some(at) = left.iter().position(|byte| *byte == ESC) {
            let (typed, from) = left.split_at(at);
            keys.extend_from_slice(typed);
            left = match extent(from) {
                Extent::Whole(length) => {
                    let (sequence, rest) = from.split_at(length);
                    self.sequence(sequence, keys, inside);
                    rest
                }
                Extent::Part if from.len() <= LONGEST && self.may_begin_answer(from) => {
                    self.held = from.to_vec();
                    return;
                }
                Extent::Part | Extent::Key => {
                    keys.push(ESC);
                    &from[1..]
                }
            };
        }
        keys.extend_from_slice(left);
    }

    /// Escape alone is a key and never kept waiting: an answer that breaks off right there goes through unread, as numbers still. A key such as Alt-[ begins as answers do; it is held only while an answer of that kind is awaited.
    fn may_begin_answer(&self, begun: &[u8]) -> bool {
        let (kind, body) = begun.split_at_checked(2).unwrap_or_default();
        let colour = |open: &Question| matches!(open, Question::Colour { .. });
        match kind {
            b"\x1b[" => self.open.iter().any(|open| !colour(open)),
            b"\x1b]" => self.open.iter().any(colour) && body.iter().all(|byte| COLOUR_ANSWER.contains(byte)),
            _ => false,
        }
    }

    fn sequence(&mut self, sequence: &[u8], keys: &mut Vec<u8>, inside: &mut Vec<u8>) {
        if sequence.get(1) != Some(&b'[') {
            return self.string(sequence, inside);
        }
        match Report::read(sequence) {
            Some(report) if report.is_answer() => {
                if let Some(question) = self.close(|open| report.answers(open)) {
                    report.write(question, inside);
                } else if report.may_be_function_key() {
                    keys.extend_from_slice(sequence);
                }
            }
            _ => keys.extend_from_slice(sequence),
        }
    }

    fn string(&mut self, sequence: &[u8], inside: &mut Vec<u8>) {
        let Some((which, colour)) = colour(sequence) else { return };
        let closed =
            self.close(|open| matches!(open, Question::Colour { which: asked, .. } if asked == which));
        match closed {
            Some(Question::Colour { bell: true, .. }) => {
                inside.extend_from_slice(format!("\x1b]{which};{colour}\x07").as_bytes());
            }
            Some(_) => osc(inside, &[which.to_string().as_bytes(), b";", colour.as_bytes()]),
            None => {}
        }
    }

    fn close(&mut self, answers: impl Fn(Question) -> bool) -> Option<Question> {
        let at = self.open.iter().position(|open| answers(*open))?;
        self.open.drain(..=at).next_back()
    }
}

/// How much of what arrived is one sequence.
enum Extent {
    Whole(usize),
    Part,
    Key,
}

/// `from` begins with an escape.
fn extent(from: &[u8]) -> Extent {
    match from.get(1) {
        Some(b'[') => {
            let body = from.get(2..).unwrap_or_default();
            match body.iter().position(|byte| !matches!(byte, 0x20..=0x3f)) {
                Some(at) if matches!(body[at], 0x40..=0x7e) => Extent::Whole(at + 3),
                Some(_) => Extent::Key,
                None => Extent::Part,
            }
        }
        Some(kind @ (b']' | b'P' | b'X' | b'^' | b'_')) => {
            let ends = |byte: &u8| *byte == ESC || (*byte == 0x07 && *kind == b']');
            let Some(at) = from.iter().skip(2).position(ends).map(|at| at + 2) else { return Extent::Part };
            match (from[at], from.get(at + 1)) {
                (ESC, Some(b'\\')) => Extent::Whole(at + 2),
                (ESC, None) => Extent::Part,
                (ESC, Some(_)) => Extent::Key,
                _ => Extent::Whole(at + 1),
            }
        }
        _ => Extent::Key,
    }
}

/// A control sequence of the terminal's, read.
#[derive(Debug)]
struct Report {
    marker: Option<u8>,
    values: Vec<u16>,
    ends: Vec<u8>,
}

impl Report {
    /// `None` for what is not made of plain numbers.
    fn read(sequence: &[u8]) -> Option<Self> {
        let body = sequence.strip_prefix(b"\x1b[")?;
        let marker = body.first().copied().filter(|byte| matches!(byte, b'<'..=b'?'));
        let body = body.get(usize::from(marker.is_some())..)?;
        let digits = body.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';'))?;
        let (numbers, ends) = body.split_at(digits);
        let number = |text: &[u8]| match text {
            b"" => Some(0),
            text => std::str::from_utf8(text).ok()?.parse().ok(),
        };
        let values = numbers.split(|byte| *byte == b';').map(number).collect::<Option<_>>()?;
        Some(Self { marker, values, ends: ends.to_vec() })
    }

    /// Whether a terminal sends this only as an answer, or nearly so.
    fn is_answer(&self) -> bool {
        match (self.marker, &self.ends[..]) {
            (Some(b'?'), _) | (Some(b'>' | b'='), b"c") | (None, b"R" | b"n" | b"t") => true,
            (_, ends) => ends.contains(&b'$') && ends.ends_with(b"y"),
        }
    }

    /// F3 with modifiers has the form of a position in the first row.
    fn may_be_function_key(&self) -> bool {
        self.marker.is_none() && self.ends == b"R" && matches!(self.values[..], [0] | [1, 2..=16])
    }

    fn answers(&self, question: Question) -> bool {
        match (question, self.marker, &self.values[..], &self.ends[..]) {
            (Question::Attributes, Some(b'?'), _, b"c")
            | (Question::Version, Some(b'>'), _, b"c")
            | (Question::Status, None, [0 | 3], b"n")
            | (Question::Position, None, [_, _], b"R")
            | (Question::PagedPosition, Some(b'?'), [_, _] | [_, _, _], b"R")
            | (Question::Keyboard, Some(b'?'), [_], b"u")
            | (Question::Size(14), None, [4, _, _], b"t")
            | (Question::Size(16), None, [6, _, _], b"t")
            | (Question::Size(18), None, [8, _, _], b"t") => true,
            (Question::Mode(mode), Some(b'?'), [told, 0..=4], b"$y") => *told == mode,
            _ => false,
        }
    }

    fn write(&self, question: Question, inside: &mut Vec<u8>) {
        match question {
            // VT220 with ANSI colours; no version that any program draws conclusions from.
            Question::Attributes => inside.extend_from_slice(b"\x1b[?62;22c"),
            Question::Version => inside.extend_from_slice(b"\x1b[>0;10;0c"),
            _ => csi_in_full(inside, self.marker.as_slice(), &self.values, &self.ends),
        }
    }
}

/// The colour in `ESC ] 11 ; rgb:…`, if it is one.
fn colour(sequence: &[u8]) -> Option<(u16, &str)> {
    let body = std::str::from_utf8(sequence.get(2..)?).ok()?;
    let body = body.strip_suffix("\x1b\\").or_else(|| body.strip_suffix('\x07'))?;
    let (which, colour) = body.split_once(';')?;
    let which = which.parse().ok().filter(|which| (10..=12).contains(which))?;
    let parts = colour.strip_prefix("rgb:").or_else(|| colour.strip_prefix("rgba:"))?;
    let part = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
    (parts.split('/').all(part) && (3..=4).contains(&parts.split('/').count())).then_some((which, colour))
}
