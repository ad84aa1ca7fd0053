//! Stand-ins for clients that insist on having a credential: of its form, marked as ours, and worth nothing.
//!
//! A form is public knowledge, so a dummy gives nothing away about the secret that it stands for, not even its length; and because it
//! does not depend on the secret, it stays the same when that is refreshed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Fillings, UnknownFilling};

/// What a dummy contains where its form has room for it, so that people and secret scanners know it for what it is.
const MARK: &str = "bailiwick-dummy";
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AB";
/// Seconds in ten years: no client looks for a fresh token before it is gone.
const TEN_YEARS: i64 = 10 * 365 * 86_400;

/// The form of a credential, as far as clients look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// What it begins with.
    #[serde(default)]
    pub prefix: String,
    /// What it ends in.
    #[serde(default)]
    pub suffix: String,
    /// Its whole length; the shortest that holds the mark and enough randomness where absent.
    #[serde(default)]
    pub length: Option<usize>,
    /// A token of three parts (RFC 7519) with these claims, as JSON; `exp` and `iat` are added.
    #[serde(default)]
    pub claims: Option<String>,
    /// Which characters it is made of.
    #[serde(default)]
    pub alphabet: Alphabet,
}

/// Which characters a credential is made of behind its prefix, as far as clients look at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alphabet {
    /// Letters and digits, behind the mark that says what it is.
    #[default]
    Marked,
    /// Letters and digits; no room for the mark.
    Letters,
    /// Hexadecimal digits.
    Hex,
    /// Digits.
    Digits,
}

impl Alphabet {
    /// The characters from which random ones are taken.
    const fn characters(self) -> &'static [u8] {
        match self {
            Self::Marked | Self::Letters => LETTERS,
            Self::Hex => b"0123456789abcdef",
            Self::Digits => b"0123456789",
        }
    }
}

/// What makes one session's dummies: fresh random bytes, and the time, which tokens carry.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Random bytes, new for each dummy; at least 64.
    pub random: &'a [u8; 64],
    /// Seconds since 1970.
    pub now: i64,
}

impl Form {
    /// The length of the mark and what parts it from the random letters.
    pub const MARKED: usize = MARK.len() + 1;
    /// The shortest run of random letters: 2⁹⁶ dummies of one form, and 2⁵³ where all are digits.
    pub const RANDOM: usize = 16;

    /// A dummy of this form.
    ///
    /// # Errors
    /// If the claims name something that `fillings` does not have.
    pub fn dummy(&self, stamp: Stamp<'_>, fillings: &Fillings) -> Result<String, UnknownFilling> {
        match &self.claims {
            Some(claims) => Ok(token(&fillings.fill(claims)?, stamp)),
            None => Ok(self.plain(stamp)),
        }
    }

    fn plain(&self, stamp: Stamp<'_>) -> String {
        let mark = if self.alphabet == Alphabet::Marked { format!("{MARK}-") } else { String::new() };
        let fixed = self.prefix.len() + mark.len() + self.suffix.len();
        let random = self.length.unwrap_or(0).saturating_sub(fixed).max(Self::RANDOM);
        let Self { prefix, suffix, .. } = self;
        format!("{prefix}{mark}{}{suffix}", letters(stamp.random, random, self.alphabet))
    }
}

/// As many letters as asked for, each as likely (of ten digits, nearly). Longer runs repeat: length is for the client, not for strength.
fn letters(random: &[u8; 64], count: usize, alphabet: Alphabet) -> String {
    let characters = alphabet.characters();
    random
        .iter()
        .cycle()
        .take(count)
        .map(|byte| char::from(characters[usize::from(*byte) % characters.len()]))
        .collect()
}

fn token(claims: &str, stamp: Stamp<'_>) -> String {
    let mut claims: Map<String, Value> = serde_json::from_str(claims).unwrap_or_default();
    claims.insert("iat".to_owned(), json!(stamp.now));
    claims.insert("exp".to_owned(), json!(stamp.now.saturating_add(TEN_YEARS)));
    claims.insert(
        "jti".to_owned(),
        json!(format!("{MARK}-{}", letters(stamp.random, Form::RANDOM, Alphabet::Marked))),
    );
    let head = json!({"alg": "none", "typ": "JWT", "kid": MARK});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode(stamp.random);
    format!("{}.{}.{signature}", part(&head), part(&Value::Object(claims)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(prefix: &str, suffix: &str, length: Option<usize>) -> Form {
        Form {
            prefix: prefix.into(),
            suffix: suffix.into(),
            length,
            claims: None,
            alphabet: Alphabet::Marked,
        }
    }

    #[test]
    fn a_token_has_claims_that_do_not_expire() {
        let claims = r#"{"email": "${email}"}"#.to_owned();
        let form = Form { claims: Some(claims), ..form("", "", None) };
        let fillings = Fillings::default().with("email", "a@example.com");
        let made = form.dummy(Stamp { random: &[7; 64], now: 1000 }, &fillings).unwrap();
        let body = URL_SAFE_NO_PAD.decode(made.split('.').nth(1).unwrap()).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["email"], "a@example.com");
        assert!(body["exp"].as_i64().unwrap() > 1000 + 300_000_000);
        assert!(body["jti"].as_str().unwrap().starts_with(MARK));
    }

    #[test]
    fn a_dummy_keeps_to_its_alphabet() {
        let made = |alphabet, length| {
            let form = Form { alphabet, ..form("ghp_", "", Some(length)) };
            form.dummy(Stamp { random: &[0xa7; 64], now: 0 }, &Fillings::default()).unwrap()
        };
        for (alphabet, is_in) in [
            (Alphabet::Digits, (|c: char| c.is_ascii_digit()) as fn(char) -> bool),
            (Alphabet::Hex, |c| matches!(c, '0'..='9' | 'a'..='f')),
            (Alphabet::Letters, |c| c.is_ascii_alphanumeric()),
        ] {
            assert!(made(alphabet, 40).strip_prefix("ghp_").unwrap().chars().all(is_in));
            assert_eq!((made(alphabet, 40).len(), made(alphabet, 5).len()), (40, 20));
        }
    }

    proptest! {
        #[test]
        fn a_dummy_has_its_form_and_its_mark(length in 0usize..200, random: [u8; 32]) {
            let random: [u8; 64] = [random, random].concat().try_into().unwrap();
            let form = form("sk-ant-api03-", "AA", Some(length));
            let made = form.dummy(Stamp { random: &random, now: 0 }, &Fillings::default()).unwrap();
            prop_assert!(made.starts_with("sk-ant-api03-") && made.ends_with("AA") && made.contains(MARK));
            prop_assert_eq!(made.len(), length.max(13 + 16 + 16 + 2));
        }

        #[test]
        fn other_randomness_makes_another(a: [u8; 32], b: [u8; 32]) {
            let stretch = |half: [u8; 32]| -> [u8; 64] { [half.map(|byte| byte % 64), half].concat().try_into().unwrap() };
            let made = |half| form("x-", "", None).dummy(Stamp { random: &stretch(half), now: 0 }, &Fillings::default()).unwrap();
            let same = a[..16].iter().zip(&b[..16]).all(|(a, b)| LETTERS[usize::from(a % 64)] == LETTERS[usize::from(b % 64)]);
            prop_assert_eq!(made(a) == made(b), same);
        }
    }
}
