//! What is answered to which question. Pure but for the table of names.

use std::net::{IpAddr, Ipv4Addr};

use bailiwick_catalogue::Host;

use super::message::{Code, Query, Record, kind};
use crate::names::{HOOK_HOST, Names};

/// An answer, and the name to record where the question was about one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: Code,
    pub(super) record: Option<Record>,
    pub(super) asked: Option<String>,
}

impl Answer {
    const fn bare(code: Code) -> Self {
        Self { code, record: None, asked: None }
    }
}

/// The answer to `query`.
pub(super) fn answer(query: &Query<'_>, names: &Names) -> Answer {
    if query.class != 1 {
        return Answer::bare(Code::Refused);
    }
    let Some(name) = &query.name else { return Answer::bare(Code::NoSuchName) };
    if name == "localhost" || name.ends_with(".localhost") {
        // RFC 6761 §6.3: never leaves the machine, and is no exit.
        let record = (query.kind == kind::A).then_some(Record::Address(Ipv4Addr::LOCALHOST));
        return Answer { code: Code::NoError, record, asked: None };
    }
    if let Some(reversed) = name.strip_suffix(".in-addr.arpa") {
        return reverse(reversed, query.kind, names);
    }
    match name.parse::<Host>() {
        Ok(Host::Name(name)) if !name.ends_with(".arpa") => forward(&name, query.kind, names),
        Ok(Host::Name(_) | Host::Ip(_) | Host::Wildcard(_)) | Err(_) => Answer::bare(Code::NoSuchName),
    }
}

fn forward(name: &str, kind: u16, names: &Names) -> Answer {
    // The gateway's own name is no exit, so that asking for it is not an attempt.
    let asked = (name != HOOK_HOST).then(|| name.to_owned());
    match (kind, names.address(name)) {
        (_, None) => Answer { code: Code::ServerFailure, record: None, asked },
        (kind::A, Some(address)) => {
            Answer { code: Code::NoError, record: Some(Record::Address(address)), asked }
        }
        (_, Some(_)) => Answer { code: Code::NoError, record: None, asked },
    }
}

fn reverse(reversed: &str, kind: u16, names: &Names) -> Answer {
    let forward: Vec<&str> = reversed.rsplit('.').collect();
    match forward.join(".").parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => match names.name(address) {
            Some(name) => {
                let record = (kind == kind::PTR).then(|| Record::Name(name.to_string()));
                Answer { code: Code::NoError, record, asked: None }
            }
            None => Answer::bare(Code::NoSuchName),
        },
        Ok(IpAddr::V6(_)) | Err(_) => Answer::bare(Code::NoSuchName),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{Parsed, parse, tests::query},
        *,
    };

    fn ask(names: &Names, name: &str, kind: u16) -> Answer {
        let bytes = query(name, kind);
        let Parsed::Query(query) = parse(&bytes) else { panic!("a query") };
        answer(&query, names)
    }

    fn names() -> Names {
        Names::new("ses_00000000000000000000000001".parse().unwrap(), 4)
    }

    #[test]
    fn a_name_has_an_address_of_ours_and_nothing_else() {
        let names = names();
        let Answer { code: Code::NoError, record: Some(Record::Address(address)), .. } =
            ask(&names, "a.example", 1)
        else {
            panic!("an address")
        };
        assert_eq!(names.name(address).as_deref(), Some("a.example"));
        for other in [28, 64, 65, 5, 15, 16, 33, 255] {
            let answer = ask(&names, "a.example", other);
            assert_eq!((answer.code, answer.record), (Code::NoError, None), "type {other}");
        }
    }

    #[test]
    fn spellings_of_addresses_are_no_names() {
        for name in ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "xn--a.1"] {
            assert_eq!(ask(&names(), name, 1).code, Code::NoSuchName, "{name}");
        }
    }

    #[test]
    fn localhost_stays_inside() {
        assert_eq!(ask(&names(), "localhost", 1).record, Some(Record::Address(Ipv4Addr::LOCALHOST)));
        assert_eq!(ask(&names(), "a.localhost", 28).record, None);
    }

    #[test]
    fn the_gateways_own_name_is_answered_and_is_no_attempt() {
        let answer = ask(&names(), HOOK_HOST, 1);
        assert_eq!(answer.record, Some(Record::Address(crate::names::HOOK_ADDRESS)));
        assert_eq!(answer.asked, None);
        assert!(ask(&names(), "other.bailiwick.internal", 1).asked.is_some());
    }

    #[test]
    fn only_our_own_addresses_have_names() {
        let names = names();
        let [a, b, c, d] = names.address("a.example").unwrap().octets();
        let ours = ask(&names, &format!("{d}.{c}.{b}.{a}.in-addr.arpa"), 12);
        assert_eq!(ours.record, Some(Record::Name("a.example".to_owned())));
        assert_eq!(ask(&names, "8.8.8.8.in-addr.arpa", 12).code, Code::NoSuchName);
        assert_eq!(ask(&names, "1.0.0.127.in-addr.arpa", 12).code, Code::NoSuchName);
    }

    #[test]
    fn beyond_the_quota_nothing_is_answered() {
        let names = names();
        for number in 0..4 {
            assert_eq!(ask(&names, &format!("{number}.example"), 1).code, Code::NoError);
        }
        let answer = ask(&names, "5.example", 1);
        assert_eq!((answer.code, answer.asked.as_deref()), (Code::ServerFailure, Some("5.example")));
    }
}
