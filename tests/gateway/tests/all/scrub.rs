//! What an upstream sends back: the secret, in every form, at every split, never reaches the inside.

use bailiwick_testkit::upstream::Encoding;
use bailiwick_testkit::world::TOKEN;

use crate::attack::service;

#[test]
fn the_secret_comes_back_in_no_encoding_and_at_no_split() {
    let (world, upstream) = service();
    let mut script = format!("curl -sS '{}'\n", upstream.url("/echo?control"));
    for encoding in Encoding::ALL {
        for split in ["", "&split=1"] {
            let url = upstream.url(&format!("/reveal?header=authorization&as={}{split}", encoding.name()));
            script.push_str(&format!(
                "for v in 1.1 2; do curl -sS --raw --http$v '{url}' || true; echo; done\n"
            ));
        }
    }
    let output = world.script(&script).ok().stdout;
    let asked = upstream.seen().iter().filter(|seen| seen.path() == "/reveal").count();
    assert_eq!(asked, Encoding::ALL.len() * 4, "not every request arrived");
    for encoding in Encoding::ALL {
        for secret in [TOKEN.to_owned(), format!("Bearer {TOKEN}")] {
            let form = encoding.encode(secret.as_bytes());
            let found = output.windows(form.len()).any(|window| window == &form[..]);
            assert!(!found, "{encoding:?} of the secret is inside:\n{}", String::from_utf8_lossy(&output));
        }
    }
}

#[test]
fn a_secret_in_a_response_header_is_scrubbed_too() {
    let (world, upstream) = service();
    let url = upstream.url(&format!("/redirect?to=%2Fx%3Ftoken%3D{TOKEN}"));
    // The attacker does not know the token; this stands for an upstream that puts it into a header by itself.
    let output = world
        .script(&format!("curl -sSi '{url}' || true\ncurl -sS -o /dev/null {}", upstream.url("/control")))
        .ok();
    assert!(upstream.seen().iter().any(|seen| seen.path() == "/control"));
    assert!(!output.stdout().contains(&format!("token={TOKEN}")), "{}", output.stdout());
}

#[test]
fn an_encoded_answer_to_an_injected_request_is_refused() {
    let (world, upstream) = service();
    let url = upstream.url("/gzip");
    let output = world
        .script(&format!("curl -sS --compressed -w ' status=%{{http_code}}' '{url}' || true"))
        .ok()
        .stdout();
    let seen = upstream.seen();
    let request = seen.iter().find(|seen| seen.path() == "/gzip").unwrap();
    assert_eq!(request.header("accept-encoding"), "identity");
    assert!(!output.contains("although nobody asked"), "{output}");
    assert!(output.contains("status=502"), "{output}");
}
