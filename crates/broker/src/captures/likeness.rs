//! A dummy of the form of a value: its length, its kind of characters, and a beginning that is public knowledge. Nothing else of the value
//! goes into it.

use aws_lc_rs::rand;
use bailiwick_profile::{Alphabet, Fillings, Form, Stamp};

use crate::Secret;

/// Beginnings that say whose tokens they are, longer ones before shorter. All are documented by those who issue them.
const BEGINNINGS: [&str; 40] = [
    "github_pat_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "glpat-",
    "gldt-",
    "glrt-",
    "glcbt-",
    "glptt-",
    "glft-",
    "glagent-",
    "gloas-",
    "npm_",
    "pypi-",
    "sk-ant-api03-",
    "sk-ant-oat01-",
    "sk-ant-ort01-",
    "sk-proj-",
    "sk-",
    "ek_",
    "rk_live_",
    "rk_test_",
    "sk_live_",
    "sk_test_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "hvs.",
    "hvb.",
    "dop_v1_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "rt_",
    "key_",
    "s%3A",
    "s:",
];

/// A fresh dummy like `secret`; `None` where the system gives no random bytes.
pub(super) fn dummy_like(secret: &Secret) -> Option<String> {
    let mut random = [0; 64];
    rand::fill(&mut random).ok()?;
    // A token of three parts says the same whenever it is made.
    form_of(secret.expose()).dummy(Stamp { random: &random, now: 0 }, &Fillings::default()).ok()
}

fn form_of(value: &[u8]) -> Form {
    if is_token_of_three_parts(value) {
        let claims = Some("{}".to_owned());
        return Form {
            prefix: String::new(),
            suffix: String::new(),
            length: None,
            claims,
            alphabet: Alphabet::Marked,
        };
    }
    let begins = |beginning: &&str| value.starts_with(beginning.as_bytes());
    let prefix = BEGINNINGS.iter().copied().find(begins).unwrap_or_default();
    let rest = &value[prefix.len()..];
    let alphabet = if rest.iter().all(u8::is_ascii_digit) {
        Alphabet::Digits
    } else if rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        Alphabet::Hex
    } else if rest.iter().all(u8::is_ascii_alphanumeric) || rest.len() < Form::MARKED + Form::RANDOM {
        Alphabet::Letters
    } else {
        Alphabet::Marked
    };
    Form {
        prefix: prefix.to_owned(),
        suffix: String::new(),
        length: Some(value.len()),
        claims: None,
        alphabet,
    }
}

/// Whether it looks like a JSON Web Token (RFC 7519): three parts, the first of which begins as `{"` does in base64.
fn is_token_of_three_parts(value: &[u8]) -> bool {
    let letters =
        |part: &[u8]| part.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b'.').collect();
    value.starts_with(b"eyJ") && parts.len() == 3 && parts.iter().all(|part| letters(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str) -> String {
        dummy_like(&Secret::new(text.as_bytes().to_vec()).unwrap()).unwrap()
    }

    #[test]
    fn a_dummy_has_length_beginning_and_characters_of_what_it_stands_for() {
        for (real, prefix) in [
            ("ghp_MARKER0123456789abcdefghijklmnopqrst", "ghp_"),
            ("0123456789abcdef0123456789abcdef", ""),
            ("MARKERxyzMARKERxyzMARKERxyz", ""),
            ("1234567890123456789012", ""),
            ("MARKER-with-dashes-and-enough-room-for-more", ""),
        ] {
            let dummy = like(real);
            assert_eq!(dummy.len(), real.len(), "{dummy}");
            assert!(dummy.starts_with(prefix) && dummy != real, "{dummy}");
            let class = |text: &str| {
                let rest = &text[prefix.len()..];
                (
                    rest.bytes().all(|b| b.is_ascii_digit()),
                    rest.bytes().all(|b| b.is_ascii_hexdigit()),
                    rest.bytes().all(|b| b.is_ascii_alphanumeric()),
                )
            };
            assert_eq!(class(&dummy), class(real), "{dummy}");
        }
    }

    #[test]
    fn nothing_of_a_value_but_a_public_beginning_is_in_its_dummy() {
        for real in ["abcd-efgh-ijkl-mnop-qrst-uvwx-yz01", "MARKER99", "a1b2c3d4-e5f6-4711-8899-aabbccddeeff"]
        {
            let dummy = like(real);
            let shared = real.bytes().zip(dummy.bytes()).take_while(|(a, b)| a == b).count();
            assert!(shared < 6, "{real} {dummy}");
            assert!(dummy.len() >= 16 && like(real) != dummy, "{dummy}");
        }
    }

    #[test]
    fn a_token_of_three_parts_stays_one() {
        let dummy = like("eyJhbGciOiJIUzI1NiJ9.eyJNQVJLRVIiOjF9.c2lnbmF0dXJl");
        assert_eq!(dummy.split('.').count(), 3);
        assert!(dummy.starts_with("eyJ"));
    }
}
