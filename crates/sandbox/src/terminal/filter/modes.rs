//! What the program has set on the terminal, so that it can be taken back.
//!
//! A mode that is not listed here does not pass: what cannot be taken back must not be set.

use super::sequence::{csi, csi_in_full, osc, private_mode};

/// Private modes that pass, and whether they are on by default: cursor keys, reverse video, wrapping, blinking and visible cursor, mouse
/// (buttons, drag, all; SGR and pixel reports), focus, alternate scroll, bracketed paste, synchronised output, grapheme clusters.
const PRIVATE: [(u16, bool); 15] = [
    (1, false),
    (5, false),
    (7, true),
    (12, false),
    (25, true),
    (1000, false),
    (1002, false),
    (1003, false),
    (1004, false),
    (1006, false),
    (ALTERNATE_SCROLL, false),
    (1016, false),
    (2004, false),
    (SYNCHRONISED, false),
    (2027, false),
];

/// On by default in some terminals and off in others, so it is left as the program left it.
const ALTERNATE_SCROLL: u16 = 1007;
const SYNCHRONISED: u16 = 2026;
/// Saves and restores the cursor: a mode by its form only.
const CURSOR: u16 = 1048;
/// The alternate screen, in its three forms.
const ALTERNATE: [u16; 3] = [47, 1047, 1049];

/// Modes that a program may ask about.
pub(super) const REPORTABLE: [u16; 18] =
    [1, 5, 7, 12, 25, 47, 1000, 1002, 1003, 1004, 1006, 1007, 1016, 1047, 1049, 2004, 2026, 2027];

/// Pushed keyboard flags that are kept. Terminals forget the oldest beyond their own limit, which would be the user's.
const DEEPEST_KEYBOARD: usize = 8;
/// Pushed titles.
const DEEPEST_TITLE: u8 = 8;
/// All flags of the kitty keyboard protocol.
const KEYBOARD_FLAGS: u16 = 0b1_1111;

/// What the program has set.
#[derive(Debug)]
pub(super) struct Modes {
    /// Those of [`PRIVATE`] that are not as by default, a bit each.
    away: u16,
    /// The alternate screen, by the mode that the program used.
    alternate: Option<u16>,
    insert: bool,
    keypad: bool,
    /// What was pushed on the normal screen and on the alternate one; each has a stack of its own.
    keyboard: [Vec<u16>; 2],
    modified_keys: u16,
    cursor_style: u16,
    margins: (u16, u16),
    charsets: [u8; 2],
    shifted: bool,
    styled: bool,
    linked: bool,
    progress: bool,
    titles: u8,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            away: 0,
            alternate: None,
            insert: false,
            keypad: false,
            keyboard: [Vec::new(), Vec::new()],
            modified_keys: 0,
            cursor_style: 0,
            margins: (0, 0),
            charsets: [b'B'; 2],
            shifted: false,
            styled: false,
            linked: false,
            progress: false,
            titles: 0,
        }
    }
}

/// What the program sets, one by one. Those that return `bool` say whether the sequence passes; those that take `screen` write it.
impl Modes {
    pub(super) fn private(&mut self, mode: u16, set: bool, screen: &mut Vec<u8>) {
        if ALTERNATE.contains(&mode) {
            return self.switch_screen(mode, set, screen);
        }
        if let Some(index) = PRIVATE.iter().position(|(known, _)| *known == mode) {
            let bit = 1 << index;
            if set == PRIVATE[index].1 { self.away &= !bit } else { self.away |= bit }
        } else if mode != CURSOR {
            return;
        }
        private_mode(screen, mode, set);
    }

    fn switch_screen(&mut self, mode: u16, set: bool, screen: &mut Vec<u8>) {
        if !set {
            self.empty_keyboard(1, screen);
        }
        self.alternate = set.then_some(mode);
        private_mode(screen, mode, set);
    }

    pub(super) fn insert(&mut self, set: bool) -> bool {
        self.insert = set;
        true
    }

    pub(super) fn keypad(&mut self, application: bool) {
        self.keypad = application;
    }

    pub(super) fn shift(&mut self, out: bool) {
        self.shifted = out;
    }

    pub(super) fn charset(&mut self, set: u8, name: u8) {
        self.charsets[usize::from(set == b')')] = name;
    }

    pub(super) fn margins(&mut self, top: u16, bottom: u16) -> bool {
        self.margins = (if top <= 1 { 0 } else { top }, bottom);
        true
    }

    pub(super) fn styled(&mut self, styled: bool) {
        self.styled = styled;
    }

    /// Returns whether a link was open before.
    pub(super) fn linked(&mut self, open: bool) -> bool {
        std::mem::replace(&mut self.linked, open)
    }

    pub(super) fn progress(&mut self, shown: bool) {
        self.progress = shown;
    }

    pub(super) fn cursor_style(&mut self, style: u16, screen: &mut Vec<u8>) {
        self.cursor_style = style;
        csi_in_full(screen, b"", &[style], b" q");
    }

    pub(super) fn modified_keys(&mut self, how: u16, screen: &mut Vec<u8>) {
        self.modified_keys = how;
        csi(screen, b">", &[4, how], b"m");
    }

    /// Before the first title of the program the user's own is put away.
    pub(super) fn titled(&mut self, screen: &mut Vec<u8>) {
        if self.titles == 0 {
            self.push_title(screen);
        }
    }

    pub(super) fn push_title(&mut self, screen: &mut Vec<u8>) {
        if self.titles < DEEPEST_TITLE {
            self.titles += 1;
            csi(screen, b"", &[22, 0], b"t");
        }
    }

    pub(super) fn pop_title(&mut self, screen: &mut Vec<u8>) {
        if self.titles > 0 {
            self.titles -= 1;
            csi(screen, b"", &[23, 0], b"t");
        }
    }

    pub(super) fn push_keyboard(&mut self, flags: u16, screen: &mut Vec<u8>) {
        let flags = flags & KEYBOARD_FLAGS;
        let stack = &mut self.keyboard[usize::from(self.alternate.is_some())];
        if stack.len() < DEEPEST_KEYBOARD {
            stack.push(flags);
            csi(screen, b">", &[flags], b"u");
        } else {
            self.set_keyboard(flags, 1, screen);
        }
    }

    pub(super) fn pop_keyboard(&mut self, count: u16, screen: &mut Vec<u8>) {
        let stack = &mut self.keyboard[usize::from(self.alternate.is_some())];
        let count = usize::from(count.max(1)).min(stack.len());
        stack.truncate(stack.len() - count);
        pop(count, screen);
    }

    /// Flags that would replace the user's own are pushed on top of them instead.
    pub(super) fn set_keyboard(&mut self, flags: u16, how: u16, screen: &mut Vec<u8>) {
        let flags = flags & KEYBOARD_FLAGS;
        let stack = &mut self.keyboard[usize::from(self.alternate.is_some())];
        let changed = |before: u16| match how {
            1 => flags,
            2 => before | flags,
            _ => before & !flags,
        };
        match stack.last_mut() {
            Some(top) => {
                *top = changed(*top);
                csi(screen, b"=", &[*top, 1], b"u");
            }
            None => self.push_keyboard(changed(0), screen),
        }
    }

    fn empty_keyboard(&mut self, which: usize, screen: &mut Vec<u8>) {
        pop(self.keyboard[which].len(), screen);
        self.keyboard[which].clear();
    }
}

/// All of it at once.
impl Modes {
    /// Takes everything back, as the program asked.
    pub(super) fn reset(&mut self, screen: &mut Vec<u8>) {
        self.leave(screen);
        let scroll = self.away & bit(ALTERNATE_SCROLL);
        *self = Self { away: scroll, ..Self::default() };
    }

    /// Takes everything back, and remembers it.
    pub(super) fn leave(&self, screen: &mut Vec<u8>) {
        self.end_strings(screen);
        if self.progress {
            osc(screen, &[b"9;4;0"]);
        }
        self.plain_drawing(screen);
        if self.margins != (0, 0) {
            screen.extend_from_slice(b"\x1b7\x1b[r\x1b8");
        }
        pop(self.keyboard[1].len(), screen);
        if let Some(mode) = self.alternate {
            private_mode(screen, mode, false);
        }
        pop(self.keyboard[0].len(), screen);
        self.switches(false, screen);
        for _ in 0..self.titles {
            csi(screen, b"", &[23, 0], b"t");
        }
    }

    /// Sets what is remembered. Titles are the program's to set again.
    pub(super) fn enter(&mut self, screen: &mut Vec<u8>) {
        self.titles = 0;
        self.progress = false;
        self.linked = false;
        self.styled = false;
        push(&self.keyboard[0], screen);
        if let Some(mode) = self.alternate {
            private_mode(screen, mode, true);
        }
        push(&self.keyboard[1], screen);
        self.switches(true, screen);
        if self.margins != (0, 0) {
            screen.extend_from_slice(b"\x1b7");
            self.set_margins(screen);
            screen.extend_from_slice(b"\x1b8");
        }
        self.drawing(screen);
    }

    /// An empty alternate screen with nothing set. The normal screen keeps its cursor and style.
    pub(super) fn aside(&self, screen: &mut Vec<u8>) {
        self.end_strings(screen);
        pop(self.keyboard[1].len(), screen);
        if let Some(mode) = self.alternate {
            private_mode(screen, mode, false);
        }
        private_mode(screen, 1049, true);
        screen.extend_from_slice(b"\x1b[>u");
        self.switches(false, screen);
        screen.extend_from_slice(b"\x0f\x1b(B\x1b)B\x1b[m\x1b[r\x1b[H\x1b[2J");
    }

    /// Undoes [`Modes::aside`]. Says whether the program was on the alternate screen, and has to paint it anew.
    pub(super) fn back(&mut self, screen: &mut Vec<u8>) -> bool {
        self.linked = false;
        // Setting margins moves the cursor; leaving our screen puts it back.
        self.set_margins(screen);
        self.drawing(screen);
        screen.extend_from_slice(b"\x1b[<u\x1b[m\x1b[2J");
        private_mode(screen, 1049, false);
        if let Some(mode) = self.alternate {
            private_mode(screen, mode, true);
        }
        push(&self.keyboard[1], screen);
        self.switches(true, screen);
        self.alternate.is_some()
    }

    fn end_strings(&self, screen: &mut Vec<u8>) {
        if self.away & bit(SYNCHRONISED) != 0 {
            private_mode(screen, SYNCHRONISED, false);
        }
        if self.linked {
            osc(screen, &[b"8;;"]);
        }
    }

    fn plain_drawing(&self, screen: &mut Vec<u8>) {
        if self.shifted {
            screen.push(0x0f);
        }
        for (set, name) in [b'(', b')'].into_iter().zip(self.charsets) {
            if name != b'B' {
                screen.extend_from_slice(&[0x1b, set, b'B']);
            }
        }
        if self.styled {
            screen.extend_from_slice(b"\x1b[m");
        }
    }

    fn drawing(&self, screen: &mut Vec<u8>) {
        for (set, name) in [b'(', b')'].into_iter().zip(self.charsets) {
            if name != b'B' {
                screen.extend_from_slice(&[0x1b, set, name]);
            }
        }
        if self.shifted {
            screen.push(0x0e);
        }
    }

    fn set_margins(&self, screen: &mut Vec<u8>) {
        match self.margins {
            (0, 0) => {}
            (top, 0) => csi(screen, b"", &[top], b"r"),
            (top, bottom) => csi(screen, b"", &[top.max(1), bottom], b"r"),
        }
    }

    /// Modes that act on keys, mouse and cursor: as the program set them, or as by default.
    fn switches(&self, set: bool, screen: &mut Vec<u8>) {
        for (index, (mode, default)) in PRIVATE.iter().enumerate() {
            if self.away & (1 << index) != 0 && *mode != ALTERNATE_SCROLL && *mode != SYNCHRONISED {
                private_mode(screen, *mode, *default != set);
            }
        }
        if self.insert {
            csi(screen, b"", &[4], if set { b"h" } else { b"l" });
        }
        if self.keypad {
            screen.extend_from_slice(if set { b"\x1b=" } else { b"\x1b>" });
        }
        if self.modified_keys != 0 {
            csi(screen, b">", &[4, if set { self.modified_keys } else { 0 }], b"m");
        }
        if self.cursor_style != 0 {
            csi_in_full(screen, b"", &[if set { self.cursor_style } else { 0 }], b" q");
        }
    }
}

fn bit(mode: u16) -> u16 {
    PRIVATE.iter().position(|(known, _)| *known == mode).map_or(0, |index| 1 << index)
}

fn pop(count: usize, screen: &mut Vec<u8>) {
    if count > 0 {
        csi(screen, b"<", &[u16::try_from(count).unwrap_or(u16::MAX)], b"u");
    }
}

fn push(stack: &[u16], screen: &mut Vec<u8>) {
    for flags in stack {
        csi(screen, b">", &[*flags], b"u");
    }
}
