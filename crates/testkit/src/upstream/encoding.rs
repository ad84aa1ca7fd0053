//! The forms in which a server may send a secret back.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// How [`super::Upstream`]'s `/reveal` writes the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it came.
    Raw,
    /// RFC 4648 §4 with padding.
    Base64,
    /// RFC 4648 §5 without padding.
    Base64Url,
    /// Percent-encoding of everything but letters and digits.
    Url,
    /// Lower-case hexadecimal.
    Hex,
    /// Upper-case hexadecimal.
    HexUpper,
    /// A JSON string with every character as `\u00xx`.
    JsonEscaped,
    /// The raw value under `content-encoding: gzip`.
    Gzip,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 8] = [
        Self::Raw,
        Self::Base64,
        Self::Base64Url,
        Self::Url,
        Self::Hex,
        Self::HexUpper,
        Self::JsonEscaped,
        Self::Gzip,
    ];

    /// The value of the `as` parameter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Url => "url",
            Self::Hex => "hex",
            Self::HexUpper => "hex-upper",
            Self::JsonEscaped => "json-escaped",
            Self::Gzip => "gzip",
        }
    }

    /// The encoding of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }

    /// The body that a server sends.
    pub fn encode(self, value: &[u8]) -> Bytes {
        match self {
            Self::Raw => Bytes::copy_from_slice(value),
            Self::Base64 => STANDARD.encode(value).into(),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(value).into(),
            Self::Url => {
                percent_encoding::percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string().into()
            }
            Self::Hex => hex::encode(value).into(),
            Self::HexUpper => hex::encode_upper(value).into(),
            Self::JsonEscaped => json_escaped(value).into(),
            Self::Gzip => gzip(value),
        }
    }
}

/// Compresses like a server would.
pub(super) fn gzip(value: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(value).unwrap();
    encoder.finish().unwrap().into()
}

fn json_escaped(value: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in value {
        write!(text, "\\u{byte:04x}").unwrap();
    }
    text.push('"');
    text
}
