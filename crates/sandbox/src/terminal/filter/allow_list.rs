//! What a program may do to the user's terminal, as a list. A parser reads the bytes; of each sequence that is on the list a canonical
//! one is written anew, and nothing else passes. So no terminal ever sees a byte sequence that it could read otherwise than we did.
//!
//! Passed: text, harmless controls, style, cursor, erasing, margins, the modes in [`modes`](super::modes), the kitty keyboard protocol,
//! titles and notifications as plain text, links to the web. Dropped: clipboard, reports of title, palette or screen contents,
//! answerback, device control strings, key definitions, printing, window manipulation, and whatever came up since.
//!
//! **Questions.** Name and version are answered by us. Where the answer is the terminal's to give and consists of numbers in a closed
//! form (position, size, colours, modes, keyboard flags, attributes), the question is passed and [`answers`](super::answers) lets
//! exactly that answer through; the order of answers, on which programs build, stays the terminal's own.

use vte::Parser;

use super::OutputFilter;
use super::answers::Answers;
use super::modes::Modes;
use super::perform::Rewriter;
use super::sequence::ESC;

/// Longest operating system command that is looked at.
pub(super) const LONGEST_COMMAND: usize = 4096;

/// Longest run of bytes that may belong to one sequence. What goes on for longer is waited out.
const LONGEST_SEQUENCE: usize = 2 * LONGEST_COMMAND;

/// What stands for bytes that are no character.
const BROKEN: &str = "\u{fffd}";

/// The filter that is in force unless another is chosen.
#[derive(Debug, Default)]
pub struct AllowList {
    reader: Reader,
    modes: Modes,
    answers: Answers,
}

impl OutputFilter for AllowList {
    fn written(&mut self, written: &[u8], screen: &mut Vec<u8>, inside: &mut Vec<u8>) {
        let Self { reader, modes, answers } = self;
        reader.read(written, &mut Rewriter { screen, inside, modes, answers, heeded: false });
    }

    fn heard(&mut self, arrived: &[u8], keys: &mut Vec<u8>, inside: &mut Vec<u8>) {
        self.answers.heard(arrived, keys, inside);
    }

    fn awaits_answer(&self) -> bool {
        self.answers.awaited()
    }

    fn leave(&mut self, screen: &mut Vec<u8>) {
        self.modes.leave(screen);
    }

    fn enter(&mut self, screen: &mut Vec<u8>) {
        self.modes.enter(screen);
    }

    fn aside(&mut self, screen: &mut Vec<u8>) {
        self.modes.aside(screen);
    }

    fn back(&mut self, screen: &mut Vec<u8>) -> bool {
        self.modes.back(screen)
    }
}

/// The parser, and what it needs to be fed with.
#[derive(Default)]
struct Reader {
    parser: Parser<LONGEST_COMMAND>,
    /// Bytes since the last escape, after which the parser has said nothing yet; `None` once it has.
    silent: Option<usize>,
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("silent", &self.silent)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// Reads escape by escape, so that a string without an end takes no more memory than [`LONGEST_SEQUENCE`], however the parser was
    /// built: with its `std` feature it would keep all of it.
    fn read(&mut self, mut written: &[u8], rewriter: &mut Rewriter<'_>) {
        while let [first, ..] = written {
            if *first == ESC {
                if !std::mem::take(&mut self.begun).is_empty() {
                    self.read_text(BROKEN, rewriter);
                }
                self.parser.advance(rewriter, &[ESC]);
                self.silent = Some(0);
                written = &written[1..];
            }
            let until = written.iter().position(|byte| *byte == ESC).unwrap_or(written.len());
            let (run, rest) = written.split_at(until);
            self.read_run(run, rewriter);
            written = rest;
        }
    }

    /// Reads bytes without an escape. The parser gets whole characters and nothing else; with others it loses what follows.
    fn read_run(&mut self, run: &[u8], rewriter: &mut Rewriter<'_>) {
        let mut joined = std::mem::take(&mut self.begun);
        let mut left = run;
        if !joined.is_empty() {
            joined.extend_from_slice(run);
            left = &joined;
        }
        while !left.is_empty() {
            let error = match std::str::from_utf8(left) {
                Ok(text) => return self.read_text(text, rewriter),
                Err(error) => error,
            };
            let (valid, rest) = left.split_at(error.valid_up_to());
            self.read_text(std::str::from_utf8(valid).unwrap_or_default(), rewriter);
            let Some(length) = error.error_len() else {
                self.begun = rest.to_vec();
                return;
            };
            self.read_text(BROKEN, rewriter);
            left = &rest[length..];
        }
    }

    /// Reads text, and counts its bytes while the parser is silent.
    fn read_text(&mut self, text: &str, rewriter: &mut Rewriter<'_>) {
        let Some(silent) = self.silent else { return self.parser.advance(rewriter, text.as_bytes()) };
        let (within, beyond) = text.as_bytes().split_at(text.len().min(LONGEST_SEQUENCE - silent));
        rewriter.heeded = false;
        self.parser.advance(rewriter, within);
        let silent = silent + within.len();
        if rewriter.heeded {
            self.silent = None;
        } else if silent < LONGEST_SEQUENCE {
            self.silent = Some(silent);
        } else {
            // A string that nobody reads: what follows is waited out until the next escape.
            self.parser = Parser::default();
            self.parser.advance(rewriter, b"\x1bX");
            self.silent = None;
        }
        self.parser.advance(rewriter, beyond);
    }
}
