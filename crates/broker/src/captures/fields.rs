//! Named fields of a JSON answer: found where they stand in its bytes, so that nothing else of it changes.

use std::{
    fmt,
    ops::Range,
    time::{Duration, Instant},
};

use bailiwick_catalogue::Minting;
use serde::de::{Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{CaptureError, Captured, Captures, Kind, Site, Taken, dummy_like};
use crate::{Patterns, Secret};

/// How long a token may work after it should not.
const GRACE: Duration = Duration::from_secs(300);

/// A text in a document.
struct Found {
    /// Where it stands, quotes included.
    place: Range<usize>,
    text: Zeroizing<String>,
}

impl Captures {
    /// Captures the fields that `minting` names in `body`, an answer of `from`, and returns the answer as it may go on: with dummies in their
    /// place, and with `*` wherever else it says what was captured. `source` is what the record calls them. In a `success`, every field
    /// that is not optional must be there.
    ///
    /// # Errors
    /// If it hands out something that cannot be captured. It must not go on then.
    pub fn take_fields(
        &self,
        body: &[u8],
        minting: &Minting,
        success: bool,
        from: Site<'_>,
        source: &str,
    ) -> Result<(Zeroizing<Vec<u8>>, Captured, u64), CaptureError> {
        let found = match find_all(body, minting, success) {
            // An error page says nothing of what its route names, and cannot hide it from those who look for it.
            Err(CaptureError::NotJson) if !success => Vec::new(),
            found => found?,
        };
        let over = lifetime(body).and_then(|lifetime| Instant::now().checked_add(lifetime));
        let secrets = found.iter().map(|(field, found)| {
            let unfit = |error| CaptureError::NotSecret { what: (*field).to_owned(), error };
            let secret = Secret::new(found.text.as_bytes().to_vec()).map_err(unfit)?;
            // `expires_in` is the access token's; what else comes with it, such as a refresh token, lasts.
            let over = over.filter(|_| minting.ephemeral && !minting.optional.iter().any(|one| one == field));
            Ok(Taken { kind: Kind::Field, secret, also: None, over })
        });
        let dummies = self.keep(secrets.collect::<Result<_, _>>()?, from, source)?;
        let mut next = replaced(body, &found, &dummies);
        let scrubbed = self.patterns().map_or(0, |patterns| patterns.scrub_bytes(&mut next));
        Ok((next, Captured { dummies }, scrubbed))
    }
}

/// For how long a token endpoint says that its tokens work (RFC 6749 §5.1), and a while more.
fn lifetime(body: &[u8]) -> Option<Duration> {
    let whole: &RawValue = serde_json::from_slice(body).ok()?;
    let seconds = member(whole, "expires_in").ok()??.get().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()) + GRACE)
}

/// The longest that a program is told its tokens live, in seconds: whoever keeps them refreshes them, and it must not try.
const LASTING: &[u8] = b"31536000";

/// A token endpoint's answer to a login as it may go on: with fresh dummies in the place of the fields that `minting` names, and without an
/// end of their time. What they stand for is not kept here.
///
/// # Errors
/// If it hands out something that cannot be found, or no dummy can be made. It must not go on then.
pub fn stand_in(body: &[u8], minting: &Minting) -> Result<(Zeroizing<Vec<u8>>, Captured), CaptureError> {
    let found = find_all(body, minting, true)?;
    let (mut secrets, mut dummies) = (Vec::new(), Vec::new());
    for (field, found) in &found {
        let unfit = |error| CaptureError::NotSecret { what: (*field).to_owned(), error };
        let secret = Secret::new(found.text.as_bytes().to_vec()).map_err(unfit)?;
        dummies.push(dummy_like(&secret).ok_or(CaptureError::NoRandomness)?);
        secrets.push(secret);
    }
    let mut next = lasting(replaced(body, &found, &dummies))?;
    // Where it says them over again.
    Patterns::new(&secrets).scrub_bytes(&mut next);
    Ok((next, Captured { dummies }))
}

/// The answer, with `expires_in` a long time off.
fn lasting(body: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, CaptureError> {
    let whole: &RawValue = serde_json::from_slice(&body).map_err(|_| CaptureError::NotJson)?;
    let Some(value) = member(whole, "expires_in")? else { return Ok(body) };
    let start = value.get().as_ptr().addr() - body.as_ptr().addr();
    let end = start + value.get().len();
    Ok(Zeroizing::new([&body[..start], LASTING, &body[end..]].concat()))
}

/// `body` with each of `dummies` in the place of what was found.
fn replaced(body: &[u8], found: &[(&str, Found)], dummies: &[String]) -> Zeroizing<Vec<u8>> {
    let mut next = Zeroizing::new(Vec::with_capacity(body.len()));
    let mut at = 0;
    for ((_, found), dummy) in found.iter().zip(dummies) {
        next.extend_from_slice(&body[at..found.place.start]);
        // A dummy has no character that JSON escapes.
        next.extend([b"\"", dummy.as_bytes(), b"\""].concat());
        at = found.place.end;
    }
    next.extend_from_slice(&body[at..]);
    next
}

/// The fields in the order in which they stand, each once.
fn find_all<'m>(
    body: &[u8],
    minting: &'m Minting,
    success: bool,
) -> Result<Vec<(&'m str, Found)>, CaptureError> {
    let whole: &RawValue = serde_json::from_slice(body).map_err(|_| CaptureError::NotJson)?;
    let mut all: Vec<(&str, Found)> = Vec::new();
    for field in minting.pointers() {
        let required = success && minting.fields.iter().any(|needed| needed == field);
        let before = all.len();
        let steps: Vec<String> = field.split('/').skip(1).map(unescaped).collect();
        let mut none_there = true;
        walk(whole, &steps, &mut |value| {
            none_there = false;
            if let Value::Text(text) = value {
                let start = text.get().as_ptr().addr() - body.as_ptr().addr();
                let place = start..start + text.get().len();
                let text = serde_json::from_str(text.get())
                    .map(Zeroizing::new)
                    .map_err(|_| CaptureError::NotJson)?;
                all.push((field, Found { place, text }));
            } else if let Value::Other = value {
                return Err(CaptureError::NotText { field: field.to_owned() });
            }
            Ok(())
        })?;
        if required && none_there && all.len() == before {
            return Err(CaptureError::NoField { field: field.to_owned() });
        }
    }
    let one_of = |(found, _): &(&str, Found)| minting.one_of.iter().any(|field| field == found);
    if success && !minting.one_of.is_empty() && !all.iter().any(one_of) {
        return Err(CaptureError::NoField { field: minting.one_of.join("` or `") });
    }
    all.sort_by_key(|(_, found)| found.place.start);
    all.dedup_by_key(|(_, found)| found.place.start);
    Ok(all)
}

/// A step of a pointer as it is meant (RFC 6901 §4).
fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// What stands at the end of a pointer.
enum Value<'b> {
    Text(&'b RawValue),
    /// A list without items, where each would be meant.
    Empty,
    Other,
}

type Report<'f, 'b> = &'f mut dyn FnMut(Value<'b>) -> Result<(), CaptureError>;

/// Calls `found` with everything that `steps` lead to in `value`.
fn walk<'b>(value: &'b RawValue, steps: &[String], found: Report<'_, 'b>) -> Result<(), CaptureError> {
    let first = value.get().as_bytes().first();
    let Some((step, rest)) = steps.split_first() else {
        return match first {
            Some(b'"') => found(Value::Text(value)),
            // `null` is what is not there.
            Some(b'n') => Ok(()),
            _ => found(Value::Other),
        };
    };
    match first {
        Some(b'{') => match member(value, step)? {
            Some(inner) => walk(inner, rest, found),
            None => Ok(()),
        },
        Some(b'[') => {
            let wanted = if step == "*" { None } else { Some(index(step)) };
            let items = items(value)?;
            if wanted.is_none() && items.is_empty() {
                return found(Value::Empty);
            }
            items.into_iter().enumerate().try_for_each(|(at, inner)| match wanted {
                Some(wanted) if wanted != Some(at) => Ok(()),
                _ => walk(inner, rest, found),
            })
        }
        _ => Ok(()),
    }
}

/// A place in a list, as RFC 6901 §4 writes it.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { step.parse().ok() } else { None }
}

/// The one member of an object with this name. RFC 8259 §4 leaves open which of two counts, so that there must not be two.
fn member<'b>(object: &'b RawValue, name: &str) -> Result<Option<&'b RawValue>, CaptureError> {
    let mut reader = serde_json::Deserializer::from_str(object.get());
    reader.deserialize_map(Member(name)).map_err(|_| CaptureError::NotJson)
}

fn items(list: &RawValue) -> Result<Vec<&RawValue>, CaptureError> {
    let mut reader = serde_json::Deserializer::from_str(list.get());
    reader.deserialize_seq(Items).map_err(|_| CaptureError::NotJson)
}

struct Member<'n>(&'n str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value::<&RawValue>()?;
            if name == self.0 && found.replace(value).is_some() {
                return Err(A::Error::custom("a name twice"));
            }
        }
        Ok(found)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element::<&RawValue>()? {
            all.push(item);
        }
        Ok(all)
    }
}
