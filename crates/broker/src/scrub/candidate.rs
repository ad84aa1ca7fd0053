//! A place where an occurrence may begin, and how far each way of reading it has come. It can be put aside when the input ends in
//! the middle and taken up again, so that no byte is read twice however small the chunks are.

use super::{
    form::Form,
    reading::{Reading, is_plain, readings},
};

/// How many bytes may stand between two units: a line break has two.
const MAX_SKIPS: u8 = 2;
/// How many units of a cut-off occurrence make it one.
const MIN_CUT_OFF: usize = 8;

/// One way of reading the input so far.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Path {
    form: usize,
    /// How many units have been read.
    position: usize,
    /// Bytes skipped since the last unit.
    skips: u8,
    /// Where it goes on, from the candidate's first byte.
    offset: usize,
}

impl Path {
    const fn start(form: usize) -> Self {
        Self { form, position: 0, skips: 0, offset: 0 }
    }
}

/// A candidate. Its memory is reused from one to the next.
#[derive(Default)]
pub(super) struct Candidate {
    /// Paths that need more input.
    waiting: Vec<Path>,
    /// Paths still to be followed.
    following: Vec<Path>,
    /// The longest occurrence so far.
    found: Option<usize>,
}

/// What is known of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing begins here.
    Nothing,
    /// An occurrence of this many bytes.
    Found(usize),
    /// It depends on bytes that have not come yet.
    Unknown,
}

impl Candidate {
    /// Begins a candidate at the first byte of `input`, in every form.
    pub(super) fn begin(&mut self, forms: &[Form], input: &[u8]) -> Verdict {
        self.found = None;
        self.waiting.clear();
        self.following.clear();
        let following = &mut self.following;
        let unfinished = readings(input, |reading, length| {
            for (form, shape) in forms.iter().enumerate() {
                advance(shape, Path::start(form), reading, length, following);
            }
        });
        if unfinished {
            self.waiting.extend((0..forms.len()).map(Path::start));
        }
        self.follow(forms, input)
    }

    /// Goes on with a candidate whose verdict was [`Verdict::Unknown`], now that `input`, still from its first byte, is longer.
    pub(super) fn resume(&mut self, forms: &[Form], input: &[u8]) -> Verdict {
        std::mem::swap(&mut self.waiting, &mut self.following);
        self.waiting.clear();
        self.follow(forms, input)
    }

    /// The verdict if no more input comes. A secret that is cut off in its second half counts: the rest could be guessed.
    pub(super) fn end(&self, forms: &[Form], length: usize) -> Verdict {
        let cut_off = |path: &Path| path.position >= MIN_CUT_OFF.max(forms[path.form].len() / 2);
        match self.found {
            _ if self.waiting.iter().any(cut_off) => Verdict::Found(length),
            Some(found) => Verdict::Found(found),
            None => Verdict::Nothing,
        }
    }

    /// Takes the path that has come least far. Two ways to the same place have then met before either goes on, so that the number
    /// of paths does not multiply.
    fn take_hindmost(&mut self) -> Option<Path> {
        let (index, _) = self.following.iter().enumerate().min_by_key(|(_, path)| path.offset)?;
        Some(self.following.swap_remove(index))
    }

    fn follow(&mut self, forms: &[Form], input: &[u8]) -> Verdict {
        while let Some(mut path) = self.take_hindmost() {
            let form = &forms[path.form];
            follow_plainly(form, &mut path, input);
            if path.position == form.len() {
                self.found = self.found.max(Some(path.offset));
                continue;
            }
            let rest = &input[path.offset..];
            let unfinished = rest.is_empty() || {
                let following = &mut self.following;
                readings(rest, |reading, length| advance(form, path, reading, length, following))
            };
            if unfinished && !self.waiting.contains(&path) {
                self.waiting.push(path);
            }
        }
        match self.found {
            _ if !self.waiting.is_empty() => Verdict::Unknown,
            Some(found) => Verdict::Found(found),
            None => Verdict::Nothing,
        }
    }
}

/// Follows `path` as long as there is only one way to read the next byte.
fn follow_plainly(form: &Form, path: &mut Path, input: &[u8]) {
    while path.position < form.len()
        && let Some(byte) = input.get(path.offset)
        && is_plain(*byte)
        && !form.skips(*byte)
        && form.accepts(path.position, *byte)
    {
        path.position += 1;
        path.offset += 1;
        path.skips = 0;
    }
}

/// Takes `path` one reading further.
fn advance(form: &Form, path: Path, reading: Reading, length: usize, following: &mut Vec<Path>) {
    let offset = path.offset + length;
    let mut read = |units: usize| {
        let next = Path { position: path.position + units, skips: 0, offset, ..path };
        if !following.contains(&next) {
            following.push(next);
        }
    };
    let byte = match reading {
        Reading::Literal(byte) | Reading::Byte(byte) => Some(byte),
        Reading::Char(character) => {
            if !character.is_ascii()
                && let Some(units) = form.accepts_char(path.position, character)
            {
                read(units);
            }
            u8::try_from(u32::from(character)).ok()
        }
    };
    let Some(byte) = byte else { return };
    let space = reading == Reading::Literal(b'+') && form.accepts_plus_as_space(path.position);
    if space || form.accepts(path.position, byte) {
        read(1);
    }
    if path.position > 0 && path.skips < MAX_SKIPS && form.skips(byte) {
        let next = Path { skips: path.skips + 1, offset, ..path };
        if !following.contains(&next) {
            following.push(next);
        }
    }
}
