//! What a push is about to do, read from the commands at the start of its body (gitprotocol-pack(5), "Reference Update Request").
//!
//! Only commands and options are read here; what the pack behind them changes is [`contents`]. A list that cannot be read in exactly one way is
//! refused.

pub(crate) mod contents;
pub(crate) mod heads;

use std::fmt;

use bailiwick_core::{Arguments, Digest, EffectClass, Effects, Value};
use bailiwick_git::Id;

use super::malformed::Malformed;

/// The most bytes of commands and options.
pub(crate) const LIMIT: usize = 64 << 10;

/// The commands of one push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Commands {
    commands: Vec<Command>,
    options: Vec<String>,
    /// How many bytes they take: what follows is the pack.
    length: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Command {
    old: Id,
    new: Id,
    reference: String,
}

impl Command {
    fn creates(&self) -> bool {
        self.old.is_zero()
    }

    fn deletes(&self) -> bool {
        self.new.is_zero()
    }
}

/// The commands at the start of `body`, and its options, once all of them are there.
///
/// # Errors
/// If they cannot be read, or are longer than [`LIMIT`].
pub(crate) fn read(body: &[u8]) -> Result<Option<Commands>, Malformed> {
    let (mut found, mut with_options) = (Commands::default(), false);
    let commands = section(body, 0, |line| {
        let first = found.commands.is_empty();
        with_options |= first && asks_for_options(line);
        found.commands.extend(command(line, first)?);
        Ok(())
    });
    let Some(mut end) = commands? else { return Ok(None) };
    if with_options {
        let options = section(body, end, |line| {
            found.options.push(option(line)?);
            Ok(())
        });
        let Some(after) = options? else { return Ok(None) };
        end = after;
    }
    Ok(Some(Commands { length: end, ..found }))
}

/// Hands over the lines of `body` from `at` up to a flush packet; where what follows it begins, or `None` if it has not come yet.
fn section(
    body: &[u8],
    mut at: usize,
    mut each: impl FnMut(&[u8]) -> Result<(), Malformed>,
) -> Result<Option<usize>, Malformed> {
    loop {
        match packet(body, at)? {
            Packet::Unfinished => return Ok(None),
            Packet::Flush => return Ok(Some(at + 4)),
            Packet::Line(line) => {
                each(line)?;
                at += 4 + line.len();
            }
        }
    }
}

enum Packet<'a> {
    Unfinished,
    Flush,
    Line(&'a [u8]),
}

/// The packet of `body` at `at` (gitprotocol-common(5), "pkt-line Format").
fn packet(body: &[u8], at: usize) -> Result<Packet<'_>, Malformed> {
    let too_many = || Malformed::new("the push updates too many references at once");
    let Some(length) = body.get(at..at + 4) else {
        return if body.len() > LIMIT { Err(too_many()) } else { Ok(Packet::Unfinished) };
    };
    let length = std::str::from_utf8(length)
        .ok()
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .ok_or_else(|| Malformed::new("the push has a packet without a length"))?;
    if at + length > LIMIT {
        return Err(too_many());
    }
    match length {
        0 => Ok(Packet::Flush),
        1..=4 => Err(Malformed::new("the push has a packet that does not belong there")),
        _ => Ok(body.get(at + 4..at + length).map_or(Packet::Unfinished, Packet::Line)),
    }
}

/// A push option, as it stands in its packet.
fn option(line: &[u8]) -> Result<String, Malformed> {
    let text =
        std::str::from_utf8(line).map_err(|_| Malformed::new("the push has an option that is not text"))?;
    Ok(text.strip_suffix('\n').unwrap_or(text).to_owned())
}

/// Whether the capabilities in `line` say that options follow the commands.
fn asks_for_options(line: &[u8]) -> bool {
    let capabilities = line.splitn(2, |byte| *byte == 0).nth(1).unwrap_or_default();
    capabilities.split(u8::is_ascii_whitespace).any(|capability| capability == b"push-options")
}

/// `old new ref`, with capabilities after a NUL on the first; `shallow` lines say nothing about references.
fn command(line: &[u8], first: bool) -> Result<Option<Command>, Malformed> {
    let unreadable = || Malformed::new("the push has a command that cannot be read");
    let mut halves = line.splitn(2, |byte| *byte == 0);
    let text = halves.next().unwrap_or_default();
    if halves.next().is_some() && !first {
        return Err(unreadable());
    }
    let text = std::str::from_utf8(text).map_err(|_| unreadable())?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    if let Some(object) = text.strip_prefix("shallow ") {
        return if Id::parse(object).is_some() { Ok(None) } else { Err(unreadable()) };
    }
    let mut words = text.splitn(3, ' ');
    let mut object = || words.next().and_then(Id::parse);
    let (old, new) = (object(), object());
    let (Some(old), Some(new), Some(reference)) = (old, new, words.next()) else { return Err(unreadable()) };
    if old.format() != new.format() || !is_reference(reference) {
        return Err(unreadable());
    }
    Ok(Some(Command { old, new, reference: reference.to_owned() }))
}

/// The rules of git-check-ref-format(1) that matter to a reader, and `refs/` in front.
fn is_reference(text: &str) -> bool {
    text.starts_with("refs/")
        && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
        && !text.contains("..")
        && !text.contains("@{")
        && !text.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c))
}

impl Commands {
    /// What the policy and the record see: `refs` and whether any is created or deleted; `ref` where there is exactly one.
    pub(crate) fn describe(&self, arguments: &mut Arguments) {
        let refs: Vec<Value> =
            self.commands.iter().map(|command| command.reference.as_str().into()).collect();
        if let [only] = refs.as_slice() {
            arguments.insert("ref".to_owned(), only.clone());
        }
        arguments.insert("refs".to_owned(), Value::List(refs));
        let heads = self.commands.iter().all(|command| command.reference.starts_with("refs/heads/"));
        arguments.insert("heads".to_owned(), heads.into());
        arguments.insert("create".to_owned(), self.commands.iter().any(Command::creates).into());
        arguments.insert("delete".to_owned(), self.deletes().into());
        if !self.options.is_empty() {
            let options = self.options.iter().map(|option| option.as_str().into()).collect();
            arguments.insert("options".to_owned(), Value::List(options));
        }
    }

    /// Where each reference was and would be, if it would be anywhere; the first for branches only, and if they were anywhere.
    pub(crate) fn updates(&self) -> Vec<(Option<Id>, Id)> {
        let kept = self.commands.iter().filter(|command| !command.deletes());
        kept.map(|command| {
            let branch = command.reference.starts_with("refs/heads/");
            let old = Some(command.old.clone()).filter(|old| branch && !old.is_zero());
            (old, command.new.clone())
        })
        .collect()
    }

    /// How many bytes of the body they take.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    /// The digest of what is asked for: references, objects and options. An object's name is the digest of its content, so the pack is bound too.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.to_string().as_bytes())
    }

    /// The effects of a push that was declared with `effects`.
    pub(crate) fn effects(&self, effects: Effects) -> Effects {
        if self.deletes() { effects.union(EffectClass::Destructive.into()) } else { effects }
    }

    fn deletes(&self) -> bool {
        self.commands.iter().any(Command::deletes)
    }
}

impl fmt::Display for Commands {
    /// One command, `old new reference`, after the other, then the options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Command { old, new, reference }) in self.commands.iter().enumerate() {
            let before = if number > 0 { "; " } else { "" };
            write!(f, "{before}{old} {new} {reference}")?;
        }
        for option in &self.options {
            write!(f, "; --push-option={}", option.escape_debug())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    fn packet(line: &str) -> String {
        format!("{:04x}{line}", line.len() + 4)
    }

    fn arguments(body: &str) -> Arguments {
        let mut arguments = Arguments::new();
        read(body.as_bytes()).unwrap().unwrap().describe(&mut arguments);
        arguments
    }

    #[test]
    fn a_push_says_which_references_it_updates() {
        let body =
            packet(&format!("{OLD} {NEW} refs/heads/fix-42\0report-status side-band-64k\n")) + "0000PACK";
        let arguments = arguments(&body);
        assert_eq!(arguments["ref"], "refs/heads/fix-42".into());
        assert_eq!((&arguments["create"], &arguments["delete"]), (&false.into(), &false.into()));
    }

    #[test]
    fn options_stand_between_the_commands_and_the_pack() {
        let body = packet(&format!("{OLD} {NEW} refs/heads/a\0push-options"))
            + "0000"
            + &packet("ci.skip")
            + &packet("b\n")
            + "0000";
        let whole = read((body.clone() + "PACK").as_bytes()).unwrap().unwrap();
        assert_eq!(whole.length(), body.len());
        assert!(whole.to_string().ends_with("; --push-option=ci.skip; --push-option=b"), "{whole}");
        for end in 0..body.len() {
            assert_eq!(read(&body.as_bytes()[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn deleting_one_of_several_is_destructive() {
        let body = packet(&format!("{ZERO} {NEW} refs/heads/a\0x"))
            + &packet(&format!("{OLD} {ZERO} refs/heads/b"))
            + "0000";
        let commands = read(body.as_bytes()).unwrap().unwrap();
        assert!(commands.effects(Effects::WRITE).contains(EffectClass::Destructive));
        let arguments = arguments(&body);
        assert!(!arguments.contains_key("ref"));
        assert_eq!(arguments["refs"], Value::List(vec!["refs/heads/a".into(), "refs/heads/b".into()]));
    }

    #[test]
    fn an_unfinished_list_is_neither() {
        let body = packet(&format!("{OLD} {NEW} refs/heads/a\0x")) + "0000";
        for end in 0..body.len() {
            assert_eq!(read(&body.as_bytes()[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for line in [
            format!("{OLD} {NEW} heads/a"),
            format!("{OLD} {NEW} refs/heads/../a"),
            format!("{OLD} {NEW} refs//a"),
            format!("{OLD} {NEW}"),
            format!("{OLD} abc refs/heads/a"),
            "push-cert\0x".to_owned(),
        ] {
            assert!(read((packet(&line) + "0000").as_bytes()).is_err(), "{line}");
        }
        let second = packet(&format!("{OLD} {NEW} refs/heads/a\0x"))
            + &packet(&format!("{OLD} {NEW} refs/heads/b\0y"));
        assert!(read(second.as_bytes()).is_err());
        assert!(read(b"0003").is_err() && read(b"zzzz").is_err() && read(b"+004").is_err());
        assert!(read(&vec![b'f'; LIMIT + 1]).is_err());
    }
}
