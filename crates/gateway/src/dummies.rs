//! The dummies of one session: what its programs were given in the place of credentials, from the start or by an answer.
//!
//! A dummy opens nothing. At its own resource it counts as what it stands for and is taken out before the real credential goes in;
//! anywhere else it says that somebody inside tries a credential where it does not belong, which is refused and recorded.

use std::sync::{PoisonError, RwLock};

use bailiwick_authority::Dummy;
use bailiwick_core::{Name, Reason, ReasonCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, header, request};
use percent_encoding::percent_decode_str;

/// The shortest text that can be looked for without finding it by chance.
const SHORTEST: usize = 16;

/// The dummies of one session.
#[derive(Debug)]
pub(crate) struct Dummies(RwLock<Vec<Dummy>>);

impl Dummies {
    /// All that can be looked for.
    pub(crate) fn new(mut all: Vec<Dummy>) -> Self {
        all.retain(|one| one.text.len() >= SHORTEST);
        Self(RwLock::new(all))
    }

    /// From now on `texts` stand for credentials of `resource`.
    pub(crate) fn stand_in(&self, resource: &Name, texts: Vec<String>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for text in texts {
            let one = Dummy { resource: resource.clone(), text };
            if one.text.len() >= SHORTEST && !all.contains(&one) {
                all.push(one);
            }
        }
    }

    /// Refuses a request to `resource` (`None`: to what no resource covers) whose head has the dummy for another.
    pub(crate) fn check_head(&self, head: &request::Parts, resource: Option<&Name>) -> Result<(), Reason> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let foreign: Vec<&Dummy> = all.iter().filter(|one| Some(&one.resource) != resource).collect();
        if foreign.is_empty() {
            return Ok(());
        }
        let target = head.uri.to_string();
        let decoded = percent_decode_str(&target).collect::<Vec<u8>>();
        let fields = head.headers.iter().map(|(_, value)| value.as_bytes());
        let basic = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION];
        let pairs = basic.iter().flat_map(|name| head.headers.get_all(name)).filter_map(basic_pair);
        let pairs: Vec<Vec<u8>> = pairs.collect();
        let places = fields.chain([target.as_bytes(), &decoded]).chain(pairs.iter().map(Vec::as_slice));
        for place in places {
            if let Some(found) = foreign.iter().find(|one| contains(place, &one.text)) {
                return Err(misplaced(found, resource));
            }
        }
        Ok(())
    }

    /// Refuses a body, read whole, to `resource` that has the dummy for another.
    pub(crate) fn check_body(&self, body: &[u8], resource: &Name) -> Result<(), Reason> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match all.iter().find(|one| one.resource != *resource && contains(body, &one.text)) {
            Some(found) => Err(misplaced(found, Some(resource))),
            None => Ok(()),
        }
    }
}

fn misplaced(found: &Dummy, resource: Option<&Name>) -> Reason {
    let whom = resource.map_or_else(|| "somewhere else".to_owned(), |name| format!("to `{name}`"));
    let detail = format!("the request gives the dummy for the credential of `{}` {whom}", found.resource);
    Reason::new(ReasonCode::CredentialBrought, detail).with_fix("send it without; a dummy opens nothing")
}

fn contains(place: &[u8], text: &str) -> bool {
    place.len() >= text.len() && place.windows(text.len()).any(|window| window == text.as_bytes())
}

/// User and password of basic authentication (RFC 7617), together.
fn basic_pair(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, rest) = value.as_bytes().split_at_checked(6)?;
    scheme.eq_ignore_ascii_case(b"basic ").then(|| STANDARD.decode(rest.trim_ascii()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const TEXT: &str = "sk-bailiwick-dummy-0123456789";

    fn check(uri: &str, field: (&str, &str), resource: &str) -> bool {
        let standing = Dummy { resource: "anthropic".parse().unwrap(), text: TEXT.to_owned() };
        let head = Request::builder().uri(uri).header(field.0, field.1).body(()).unwrap().into_parts().0;
        Dummies::new(vec![standing]).check_head(&head, Some(&resource.parse().unwrap())).is_ok()
    }

    #[test]
    fn a_dummy_is_accepted_nowhere_but_at_its_resource() {
        let basic = format!("Basic {}", STANDARD.encode(format!("x:{TEXT}")));
        let encoded = TEXT.replace('-', "%2D");
        for (uri, field) in [
            ("/", ("x-api-key", TEXT)),
            ("/", ("x-anything", &*format!("a {TEXT} b"))),
            ("/", ("authorization", &*basic)),
            (&*format!("/a/{TEXT}/b"), ("x", "y")),
            (&*format!("/a?b={encoded}"), ("x", "y")),
        ] {
            assert!(check(uri, field, "anthropic"), "{uri} {field:?}");
            assert!(!check(uri, field, "forge"), "{uri} {field:?}");
        }
        assert!(check("/", ("x-api-key", "something else"), "forge"));
    }

    #[test]
    fn what_an_answer_put_there_counts_from_then_on() {
        let dummies = Dummies::new(Vec::new());
        let head = Request::get(format!("/{TEXT}")).body(()).unwrap().into_parts().0;
        let (cloud, forge): (Name, Name) = ("cloud".parse().unwrap(), "forge".parse().unwrap());
        assert!(dummies.check_head(&head, Some(&forge)).is_ok());
        dummies.stand_in(&cloud, vec![TEXT.to_owned()]);
        assert!(dummies.check_head(&head, Some(&cloud)).is_ok());
        assert!(dummies.check_head(&head, Some(&forge)).is_err() && dummies.check_head(&head, None).is_err());
        assert!(dummies.check_body(TEXT.as_bytes(), &forge).is_err());
    }
}
