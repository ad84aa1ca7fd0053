//! DNS messages on the wire (RFC 1035 §4, RFC 6891), as far as a resolver needs them that owns all its answers.
//!
//! The parser accepts one grammar: a standard query with exactly one uncompressed question. It must never follow a compression pointer
//! and never read beyond the datagram.

use std::net::Ipv4Addr;

/// Bytes before the question.
const HEADER: usize = 12;
/// What we say we can receive over UDP (RFC 6891 §6.2.5; the size that never fragments).
const PAYLOAD: u16 = 1232;
/// Seconds an answer may be kept. An address stays as long as the session does.
const TTL: u32 = 300;

/// Response codes (RFC 1035 §4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
    Refused = 5,
}

/// Record types that are answered with something.
pub(super) mod kind {
    pub(in super::super) const A: u16 = 1;
    pub(in super::super) const PTR: u16 = 12;
    pub(super) const OPT: u16 = 41;
}

/// A standard query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query<'a> {
    head: Head,
    /// The question as it was asked, to be repeated in the answer.
    question: &'a [u8],
    /// The name in lower case, labels joined by dots; `None` where a label has bytes that no host name has.
    pub(super) name: Option<String>,
    /// The record type.
    pub(super) kind: u16,
    /// The class; 1 is the Internet.
    pub(super) class: u16,
    edns: bool,
}

/// The part of the header that an answer repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    id: u16,
    recursion_desired: bool,
}

/// What a datagram is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// Not a query, or too short to answer.
    Drop,
    /// A query that is answered with an error alone.
    Fault(Head, Code),
    /// A query.
    Query(Query<'a>),
}

/// Reads a datagram.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Parsed::Drop };
    let field = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let flags = field(2);
    if flags & 0x8000 != 0 {
        return Parsed::Drop;
    }
    let head = Head { id: field(0), recursion_desired: flags & 0x0100 != 0 };
    if flags & 0x7800 != 0 {
        return Parsed::Fault(head, Code::NotImplemented);
    }
    let truncated = flags & 0x0200 != 0;
    if truncated || field(4) != 1 || field(6) != 0 || field(8) != 0 {
        return Parsed::Fault(head, Code::FormatError);
    }
    match question(&bytes[HEADER..]) {
        Some((question, name, rest)) => {
            let tail = question.len() - 4;
            let field = |at: usize| u16::from_be_bytes([question[at], question[at + 1]]);
            let edns = field_count(field_at(header, 10)) && is_opt(rest);
            Parsed::Query(Query { head, question, name, kind: field(tail), class: field(tail + 2), edns })
        }
        None => Parsed::Fault(head, Code::FormatError),
    }
}

fn field_at(header: &[u8; HEADER], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

const fn field_count(additional: u16) -> bool {
    additional > 0
}

/// Whether the additional section starts with an OPT record: the root's name, then its type.
fn is_opt(rest: &[u8]) -> bool {
    rest.first_chunk::<3>()
        .is_some_and(|start| start[0] == 0 && u16::from_be_bytes([start[1], start[2]]) == kind::OPT)
}

type Question<'a> = (&'a [u8], Option<String>, &'a [u8]);

/// The question, its name and what follows it.
fn question(bytes: &[u8]) -> Option<Question<'_>> {
    let mut name = Some(String::new());
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => {}
            _ => return None, // a compression pointer or a label type that is not in use
        }
        let label = bytes.get(at..at + length)?;
        at += length;
        if at > 254 {
            return None;
        }
        name = name.and_then(|name| joined(name, label));
    }
    let end = at + 4;
    (bytes.len() >= end).then(|| (&bytes[..end], name, &bytes[end..]))
}

fn joined(mut name: String, label: &[u8]) -> Option<String> {
    if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return None;
    }
    if !name.is_empty() {
        name.push('.');
    }
    name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    Some(name)
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// An IPv4 address.
    Address(Ipv4Addr),
    /// A name, for a reverse question.
    Name(String),
}

impl Query<'_> {
    /// The answer's bytes: always shorter than 512.
    pub(super) fn answer(&self, code: Code, record: Option<&Record>) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        put_head(&mut out, self.head, code);
        for count in [1, u16::from(record.is_some()), 0, u16::from(self.edns)] {
            out.extend(count.to_be_bytes());
        }
        out.extend(self.question);
        if let Some(record) = record {
            put_record(&mut out, record);
        }
        if self.edns {
            out.push(0);
            out.extend(kind::OPT.to_be_bytes());
            out.extend(PAYLOAD.to_be_bytes());
            out.extend([0; 6]);
        }
        out
    }
}

impl Head {
    /// An answer that only says what was wrong.
    pub(super) fn fault(self, code: Code) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        put_head(&mut out, self, code);
        out.extend([0; 8]);
        out
    }
}

fn put_head(out: &mut Vec<u8>, head: Head, code: Code) {
    let desired = if head.recursion_desired { 0x0100 } else { 0 };
    let flags: u16 = 0x8000 | desired | 0x0080 | code as u16;
    out.extend(head.id.to_be_bytes());
    out.extend(flags.to_be_bytes());
}

fn put_record(out: &mut Vec<u8>, record: &Record) {
    let (kind, data) = match record {
        Record::Address(address) => (kind::A, address.octets().to_vec()),
        Record::Name(name) => (kind::PTR, labels(name)),
    };
    out.extend([0xc0, HEADER as u8]); // the name of the question
    out.extend(kind.to_be_bytes());
    out.extend(1u16.to_be_bytes());
    out.extend(TTL.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
}

/// A name of our own table as labels: each at most 63 bytes, or it would not be there.
fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A query as a stub resolver writes it.
    pub(in super::super) fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut out = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        out.extend(labels(name));
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out
    }

    #[test]
    fn a_query_is_read_in_lower_case() {
        let bytes = query("WwW.Example.com", 28);
        let Parsed::Query(query) = parse(&bytes) else { panic!("a query") };
        assert_eq!(query.name.as_deref(), Some("www.example.com"));
        assert_eq!((query.kind, query.class, query.edns), (28, 1, false));
    }

    #[test]
    fn an_answer_repeats_the_question_and_points_at_it() {
        let mut bytes = query("a.example", kind::A);
        bytes[11] = 1;
        bytes.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        let Parsed::Query(query) = parse(&bytes) else { panic!("a query") };
        let answer = query.answer(Code::NoError, Some(&Record::Address([198, 18, 3, 4].into())));
        assert_eq!(answer[..12], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 1]);
        assert_eq!(answer[12..27], bytes[12..27]);
        assert_eq!(answer[27..43], [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 198, 18, 3, 4]);
        assert_eq!(answer[43..], [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn every_truncation_is_refused_and_none_panics() {
        let bytes = query("some.name.example", kind::A);
        for end in 0..bytes.len() {
            match parse(&bytes[..end]) {
                Parsed::Drop => assert!(end < HEADER),
                Parsed::Fault(_, code) => assert_eq!(code, Code::FormatError),
                Parsed::Query(_) => panic!("{end} bytes are no query"),
            }
        }
    }

    #[test]
    fn what_is_not_one_plain_question_is_refused() {
        let fault = |change: fn(&mut Vec<u8>)| {
            let mut bytes = query("a.example", kind::A);
            change(&mut bytes);
            match parse(&bytes) {
                Parsed::Fault(_, code) => Some(code),
                Parsed::Drop | Parsed::Query(_) => None,
            }
        };
        assert_eq!(fault(|bytes| bytes[2] = 0x28), Some(Code::NotImplemented));
        assert_eq!(fault(|bytes| bytes[2] = 0x02), Some(Code::FormatError));
        assert_eq!(fault(|bytes| bytes[5] = 2), Some(Code::FormatError));
        assert_eq!(fault(|bytes| bytes[7] = 1), Some(Code::FormatError));
        assert_eq!(fault(|bytes| bytes[12] = 0xc0), Some(Code::FormatError));
        assert_eq!(fault(|bytes| bytes[12] = 64), Some(Code::FormatError));
        let mut answer = query("a.example", kind::A);
        answer[2] |= 0x80;
        assert_eq!(parse(&answer), Parsed::Drop);
    }

    #[test]
    fn a_name_is_at_most_255_bytes_and_of_host_letters() {
        let label = "a".repeat(63);
        let long = [label.as_str(); 4].join(".");
        assert!(matches!(parse(&query(&long, 1)), Parsed::Fault(_, Code::FormatError)));
        for odd in ["a b.example", "a\0.example", "b\u{fc}cher.example", "*.example"] {
            let bytes = query(odd, 1);
            let Parsed::Query(query) = parse(&bytes) else { panic!("{odd:?} is a query") };
            assert_eq!(query.name, None, "{odd:?}");
        }
    }
}
