//! The list itself: each sequence that may pass, and how it is written.

use vte::{Params, Perform};

use super::allow_list::LONGEST_COMMAND;
use super::answers::{Answers, Question};
use super::modes::{Modes, REPORTABLE};
use super::sequence::{ESC, csi, number, osc};
use super::text;

/// As many parameters as the parser keeps.
const MAX_PARAMS: usize = 32;
/// As many parts of an operating system command as the parser keeps.
const MAX_PARTS: usize = 16;

/// Writes anew what the parser found.
pub(super) struct Rewriter<'a> {
    pub(super) screen: &'a mut Vec<u8>,
    pub(super) inside: &'a mut Vec<u8>,
    pub(super) modes: &'a mut Modes,
    pub(super) answers: &'a mut Answers,
    /// Whether the parser has said anything since this was last cleared.
    pub(super) heeded: bool,
}

impl Perform for Rewriter<'_> {
    #[inline]
    fn print(&mut self, c: char) {
        self.heeded = true;
        match c {
            ' '..='~' => self.screen.push(c as u8),
            ..'\u{a0}' => {}
            _ => self.screen.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    #[inline]
    fn execute(&mut self, byte: u8) {
        self.heeded = true;
        match byte {
            0x07..=0x0d => self.screen.push(byte),
            0x0e | 0x0f => {
                self.modes.shift(byte == 0x0e);
                self.screen.push(byte);
            }
            _ => {}
        }
    }

    fn hook(&mut self, _: &Params, _: &[u8], _: bool, _: char) {
        self.heeded = true;
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        self.heeded = true;
        let Ok(action) = u8::try_from(action) else { return };
        if ignore {
            return;
        }
        if (intermediates, action) == (b"", b'm') {
            return self.style(params);
        }
        let mut values = [0; MAX_PARAMS];
        let mut count = 0;
        for param in params {
            // Parts of a parameter have a meaning in styles only.
            let ([value], Some(slot)) = (param, values.get_mut(count)) else { return };
            *slot = *value;
            count += 1;
        }
        let values = values.get(..count).unwrap_or_default();
        match intermediates {
            b"" => self.plain(values, action),
            b"?" => self.private(values, action),
            b">" | b"<" | b"=" => self.marked(intermediates, values, action),
            _ => self.rare(intermediates, values, action),
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], ignore: bool, byte: u8) {
        self.heeded = true;
        match (intermediates, byte) {
            _ if ignore => {}
            // Save and restore the cursor, line feeds up and down, next line.
            (b"", b'7' | b'8' | b'D' | b'E' | b'M') => self.screen.extend_from_slice(&[ESC, byte]),
            (b"", b'=' | b'>') => {
                self.modes.keypad(byte == b'=');
                self.screen.extend_from_slice(&[ESC, byte]);
            }
            (b"", b'Z') => self.ask(Question::Attributes),
            (b"", b'c') => {
                self.modes.reset(self.screen);
                self.screen.extend_from_slice(b"\x1b[H\x1b[2J");
            }
            // US, UK and line drawing; all others have letters that look like what they are not.
            (b"(" | b")", b'0' | b'A' | b'B') => {
                let set = intermediates.first().copied().unwrap_or_default();
                self.modes.charset(set, byte);
                self.screen.extend_from_slice(&[ESC, set, byte]);
            }
            _ => {}
        }
    }

    fn osc_dispatch(&mut self, parts: &[&[u8]], bell: bool) {
        self.heeded = true;
        let long = parts.iter().map(|part| part.len()).sum::<usize>() >= LONGEST_COMMAND;
        // The parser cuts what is longer, and joins parts beyond the last.
        if long || parts.len() >= MAX_PARTS {
            return;
        }
        let [command, rest @ ..] = parts else { return };
        match (*command, rest) {
            (b"0" | b"1" | b"2", [_, ..]) => {
                if let Some(title) = text::plain(&rest.join(&b';')) {
                    self.modes.titled(self.screen);
                    osc(self.screen, &[command, b";", title.as_bytes()]);
                }
            }
            (b"8", [parameters, address @ ..]) => self.link(parameters, &address.join(&b';')),
            (b"9", [b"4", state, ..]) => self.progress(state, rest.get(2).copied().unwrap_or_default()),
            (b"9", [_, ..]) => {
                if let Some(text) = text::notification(&rest.join(&b';')) {
                    osc(self.screen, &[b"9;", text.as_bytes()]);
                }
            }
            (b"777", [b"notify", title, body @ ..]) => {
                if let (Some(title), Some(body)) = (text::plain(title), text::plain(&body.join(&b';'))) {
                    osc(self.screen, &[b"777;notify;", title.as_bytes(), b";", body.as_bytes()]);
                }
            }
            (b"10" | b"11" | b"12", [b"?"]) => {
                let which = 10 + u16::from(command.get(1).map_or(0, |digit| digit - b'0'));
                self.ask(Question::Colour { which, bell });
            }
            _ => {}
        }
    }
}

impl Rewriter<'_> {
    /// Sequences without a marker.
    fn plain(&mut self, values: &[u16], action: u8) {
        let passes = match (action, values) {
            (b'@' | b'A'..=b'G' | b'I' | b'L' | b'M' | b'P' | b'S' | b'T' | b'X' | b'Z', [_])
            | (b'`' | b'a' | b'b' | b'd' | b'e', [_])
            | (b'H' | b'f', [_] | [_, _])
            | (b'J', [0..=3])
            | (b'K', [0..=2])
            | (b's' | b'u', [0]) => true,
            (b'r', [top] | [top, 0]) => self.modes.margins(*top, 0),
            (b'r', [top, bottom]) => top < bottom && self.modes.margins(*top, *bottom),
            (b'h' | b'l', [4]) => self.modes.insert(action == b'h'),
            (b't', [22, ..]) => return self.modes.push_title(self.screen),
            (b't', [23, ..]) => return self.modes.pop_title(self.screen),
            (b't', [what @ (14 | 16 | 18)]) => return self.ask(Question::Size(*what)),
            (b'n', [5]) => return self.ask(Question::Status),
            (b'n', [6]) => return self.ask(Question::Position),
            (b'c', [0]) => return self.ask(Question::Attributes),
            _ => false,
        };
        if passes {
            csi(self.screen, b"", values, &[action]);
        }
    }

    /// Sequences marked `?`.
    fn private(&mut self, values: &[u16], action: u8) {
        match (action, values) {
            (b'h' | b'l', modes) => {
                for mode in modes {
                    self.modes.private(*mode, action == b'h', self.screen);
                }
            }
            (b'u', [0]) => self.ask(Question::Keyboard),
            (b'n', [6]) => self.ask(Question::PagedPosition),
            _ => {}
        }
    }

    /// Sequences marked `>`, `<` or `=`.
    fn marked(&mut self, marker: &[u8], values: &[u16], action: u8) {
        match (marker, action, values) {
            (b">", b'u', [flags]) => self.modes.push_keyboard(*flags, self.screen),
            (b"<", b'u', [count]) => self.modes.pop_keyboard(*count, self.screen),
            (b"=", b'u', [flags]) => self.modes.set_keyboard(*flags, 1, self.screen),
            (b"=", b'u', [flags, how @ 1..=3]) => self.modes.set_keyboard(*flags, *how, self.screen),
            (b">", b'm' | b'n', [4]) => self.modes.modified_keys(0, self.screen),
            (b">", b'm', [4, how @ 0..=2]) => self.modes.modified_keys(*how, self.screen),
            (b">", b'c', [0]) => self.ask(Question::Version),
            (b">", b'q', [0]) => self.inside.extend_from_slice(b"\x1bP>|bailiwick\x1b\\"),
            _ => {}
        }
    }

    /// Sequences with intermediate bytes.
    fn rare(&mut self, intermediates: &[u8], values: &[u16], action: u8) {
        match (intermediates, action, values) {
            (b" ", b'q', [style @ 0..=6]) => self.modes.cursor_style(*style, self.screen),
            (b"!", b'p', [0]) => self.modes.reset(self.screen),
            (b"?$", b'p', [mode]) if REPORTABLE.contains(mode) => self.ask(Question::Mode(*mode)),
            (b"?$", b'p', [mode]) => csi(self.inside, b"?", &[*mode, 0], b"$y"),
            _ => {}
        }
    }

    /// Style: any numbers, with their parts.
    fn style(&mut self, params: &Params) {
        self.screen.extend_from_slice(b"\x1b[");
        let plain = params.len() == 1 && params.iter().next() == Some(&[0]);
        for (index, param) in params.iter().enumerate().filter(|_| !plain) {
            for (part, value) in param.iter().enumerate() {
                match (index, part) {
                    (0, 0) => {}
                    (_, 0) => self.screen.push(b';'),
                    _ => self.screen.push(b':'),
                }
                number(self.screen, *value);
            }
        }
        self.screen.push(b'm');
        self.modes.styled(!plain);
    }

    fn link(&mut self, parameters: &[u8], address: &[u8]) {
        match text::web_address(address) {
            Some(address) => {
                let id = text::link_id(parameters);
                let (key, id) = id.map_or((&b""[..], &b""[..]), |id| (b"id=", id));
                self.modes.linked(true);
                osc(self.screen, &[b"8;", key, id, b";", address]);
            }
            // A link that does not pass still ends the one before it.
            None if self.modes.linked(false) => osc(self.screen, &[b"8;;"]),
            None => {}
        }
    }

    /// How far a task is, as some terminals show it beside the title: a state, and per cent.
    fn progress(&mut self, state: &[u8], percent: &[u8]) {
        let per_cent = std::str::from_utf8(percent).ok().and_then(|text| text.parse::<u8>().ok());
        let [digit @ b'0'..=b'4'] = state else { return };
        self.modes.progress(*digit != b'0');
        let mut parts = b"9;4;".to_vec();
        parts.push(*digit);
        if let Some(value) = per_cent.filter(|value| *value <= 100) {
            parts.push(b';');
            number(&mut parts, value.into());
        }
        osc(self.screen, &[&parts]);
    }

    fn ask(&mut self, question: Question) {
        self.answers.ask(question, self.screen);
    }
}
