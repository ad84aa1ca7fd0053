//! An upstream that cannot prove its name gets nothing: no request, and above all no credential.

use bailiwick_testkit::{Flaw, Upstream, World};

#[test]
fn nothing_is_sent_to_an_upstream_with_a_bad_certificate() {
    let world = World::new();
    let good = Upstream::secure(&world.ca);
    world.add("good", &good.url(""), "http");
    let flaws = [Flaw::Expired, Flaw::NotYetValid, Flaw::WrongName, Flaw::SelfSigned, Flaw::UnknownIssuer];
    let upstreams: Vec<_> = flaws.iter().map(|flaw| (flaw, Upstream::flawed(&world.ca, *flaw))).collect();
    let mut script = format!("curl -sS -o /dev/null -w '%{{http_code}}\\n' {}\n", good.url("/"));
    for (number, (_, upstream)) in upstreams.iter().enumerate() {
        world.add(&format!("bad{number}"), &upstream.url(""), "http");
        script.push_str(&format!("curl -s -w ' %{{http_code}}\\n' {} || true\n", upstream.url("/")));
    }
    let output = world.script(&script).ok().stdout();
    assert!(output.starts_with("200\n"), "the control failed: {output}");
    assert_eq!(good.seen().len(), 1);
    for (flaw, upstream) in &upstreams {
        assert!(upstream.seen().is_empty(), "{flaw:?}: {:?}", upstream.seen());
    }
    let refused = output.lines().filter(|line| line.ends_with(" 502")).count();
    assert_eq!(refused, flaws.len(), "{output}");
}
