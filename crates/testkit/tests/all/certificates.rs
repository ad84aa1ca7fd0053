//! Every flaw is seen by a real verifier, and only the flaws are.

use bailiwick_testkit::{Flaw, TestCa, Upstream};

use super::client;

#[test]
fn curl_accepts_the_good_certificate_and_no_other() {
    let (ca, directory) = (TestCa::new(), tempfile::tempdir().unwrap());
    let pem = ca.write_pem(directory.path());
    let flaws = [
        Flaw::None,
        Flaw::Expired,
        Flaw::NotYetValid,
        Flaw::WrongName,
        Flaw::SelfSigned,
        Flaw::UnknownIssuer,
    ];
    for flaw in flaws {
        let upstream = Upstream::flawed(&ca, flaw);
        let code = client("curl", directory.path(), Some(&pem), &["-sS", &upstream.url("/")]).code();
        // 60: the certificate is not acceptable; 35: its signature is not even the named issuer's.
        let accepted: &[i32] = if flaw == Flaw::None { &[0] } else { &[35, 60] };
        assert!(accepted.contains(&code), "{flaw:?}: curl exits {code}");
        assert_eq!(upstream.seen().is_empty(), flaw != Flaw::None, "{flaw:?}");
    }
}
