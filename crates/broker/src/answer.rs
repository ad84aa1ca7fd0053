//! Whether an answer can be scrubbed at all. One that cannot must not reach the agent.

use http::{header, request, response};

use crate::inject;

/// An answer to a request with a credential cannot be searched for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the upstream answered with `{header}: {value}` although only plain bytes were asked for; they cannot be searched for the \
     credential, so the answer is withheld"
)]
pub struct UnscrubbableError {
    /// The header that says how the body is encoded.
    pub header: &'static str,
    /// Its value, escaped for a terminal.
    pub value: String,
}

/// Asks for an answer that can be searched: not compressed, and whole. What is sent in parts would be found in none of them.
pub fn ask_for_plain(request: &mut request::Parts) {
    inject::ask_for_plain_answers(&mut request.headers);
    for name in [header::RANGE, header::IF_RANGE] {
        request.headers.remove(name);
    }
}

/// Refuses every coding but `identity`, and every transfer coding but `chunked`.
///
/// # Errors
/// If `answer` cannot be searched. It must not go on then.
pub fn check(answer: &response::Parts) -> Result<(), UnscrubbableError> {
    for (name, plain) in [(header::CONTENT_ENCODING, "identity"), (header::TRANSFER_ENCODING, "chunked")] {
        for value in answer.headers.get_all(&name) {
            let codings = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            if codings
                .filter(|coding| !coding.is_empty())
                .any(|coding| !coding.eq_ignore_ascii_case(plain.as_bytes()))
            {
                let header =
                    if name == header::CONTENT_ENCODING { "content-encoding" } else { "transfer-encoding" };
                let value = value.as_bytes().escape_ascii().to_string();
                return Err(UnscrubbableError { header, value });
            }
        }
    }
    if answer.headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        let value = "(any)".to_owned();
        return Err(UnscrubbableError { header: "sec-websocket-extensions", value });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Result<(), UnscrubbableError> {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        check(&response.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_plain_bytes_are_accepted() {
        for plain in [
            &[][..],
            &[("content-encoding", "Identity")],
            &[("transfer-encoding", "chunked"), ("content-encoding", "")],
        ] {
            assert_eq!(answer(plain), Ok(()));
        }
        for coded in [
            &[("content-encoding", "gzip")][..],
            &[("content-encoding", "identity"), ("content-encoding", "br")],
            &[("content-encoding", "identity , zstd")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("sec-websocket-extensions", "permessage-deflate")],
        ] {
            assert!(answer(coded).is_err(), "{coded:?}");
        }
    }
}
