//! HTTP clients: each library with its own trust store, its own proxy habits and its own version of HTTP.
//!
//! Each must get the answer, and the upstream must have seen the gateway's credential, which the client never had.

use bailiwick_testkit::{Upstream, tools};
use std::path::Path;

use bailiwick_testkit::world::{TOKEN, World};

/// Runs a script inside that asks for `$URL` and prints the body; checks both ends.
fn asks(script: &str) {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    let url = upstream.url("/some/path?q=1");
    let output =
        world.script(&format!("export URL='{url}' TOOLS='{}'\n{script}", tools::directory().display())).ok();
    assert!(
        output.stdout().contains("\"target\":\"/some/path?q=1\""),
        "{}{}",
        output.stdout(),
        output.stderr()
    );
    let seen = upstream.seen();
    assert!(!seen.is_empty(), "nothing reached the upstream");
    for request in seen {
        assert_eq!(request.header("authorization"), format!("Bearer {TOKEN}"));
    }
    assert!(!output.stdout().contains(TOKEN), "the secret came back unscrubbed: {}", output.stdout());
}

#[test]
fn curl_with_http_1_1() {
    asks("curl -sS --http1.1 \"$URL\"");
}

#[test]
fn curl_with_http_2() {
    asks(
        "curl -sS --http2 \"$URL\" -w '%{stderr}version=%{http_version}\\n' 2>version\ncat version >&2\ngrep -q version=2 version",
    );
}

#[test]
fn wget() {
    if tools::find("wget").is_none() {
        return tools::not_tested("wget", "wget is not installed");
    }
    asks("PATH=\"$TOOLS/bin:$PATH\" wget -q -O - \"$URL\"");
}

#[test]
fn python_urllib() {
    asks(
        "/usr/bin/python3 -c \"import os,urllib.request as r; print(r.urlopen(os.environ['URL']).read().decode())\"",
    );
}

#[test]
fn python_requests() {
    with_python("requests", "import os,requests; print(requests.get(os.environ['URL']).text)");
}

#[test]
fn python_httpx_with_http_2() {
    with_python("httpx", "import os,httpx; print(httpx.Client(http2=True).get(os.environ['URL']).text)");
}

fn with_python(package: &str, program: &str) {
    if !tools::directory().join("python").join(package).is_dir() {
        return tools::not_tested(package, "it is not fetched; run `cargo xtask tools`");
    }
    asks(&format!("PYTHONPATH=\"$TOOLS/python\" /usr/bin/python3 -c \"{program}\""));
}

#[test]
fn node_20_fetch() {
    if !Path::new("/usr/bin/node").exists() {
        return tools::not_tested("Node 20 fetch", "/usr/bin/node is not there");
    }
    asks("/usr/bin/node -e \"fetch(process.env.URL).then(r => r.text()).then(console.log)\"");
}

#[test]
fn node_24_fetch() {
    if !tools::directory().join("bin/node24").exists() {
        return tools::not_tested("Node 24 fetch", "it is not fetched; run `cargo xtask tools`");
    }
    asks("\"$TOOLS/bin/node24\" -e \"fetch(process.env.URL).then(r => r.text()).then(console.log)\"");
}

#[test]
fn java_http_client() {
    if !Path::new("/usr/bin/javac").exists() {
        return tools::not_tested("Java HttpClient", "no JDK");
    }
    asks(
        r#"cat > Ask.java <<'JAVA'
import java.net.URI;
import java.net.http.*;
public class Ask {
    public static void main(String[] a) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(System.getenv("URL"))).build();
        System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
    }
}
JAVA
/usr/bin/java Ask.java"#,
    );
}

#[test]
fn what_no_resource_covers_is_refused_in_words_that_help() {
    let world = World::new();
    let refusal =
        world.script("curl -sS -w '\\nstatus=%{http_code}\\n' https://anything-else.example/").ok().stdout();
    assert!(refusal.contains("status=403"), "{refusal}");
    assert!(refusal.contains("bailiwick resource add"), "{refusal}");
    assert!(refusal.contains("anything-else.example"), "{refusal}");
}

#[test]
fn a_server_inside_is_reached_from_inside() {
    let world = World::new();
    let script = "echo hello > page
        /usr/bin/python3 -u -m http.server --bind 127.0.0.1 8123 > log 2>&1 &
        server=$!
        curl -sS --retry 50 --retry-delay 0 --retry-connrefused --max-time 60 http://127.0.0.1:8123/page
        kill $server";
    assert_eq!(world.script(script).ok().stdout(), "hello\n");
}
