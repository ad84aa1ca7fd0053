//! A container registry: images pulled and pushed with the real `skopeo` at the real `docker-registry`, and the token in between stays outside.

use bailiwick_testkit::product::Finished;
use bailiwick_testkit::world::TOKEN;
use bailiwick_testkit::{Images, Upstream, World, hunt, images, tools};

use crate::approvals::{Person, open, until};

/// A world with a registry that has one image, `acme/site:v1`; `None` where the programs are not there.
fn world(template: &str) -> Option<(World, Images)> {
    let world = World::new();
    let (Some(images), Some(_)) = (Images::start(&world.ca, TOKEN), tools::find("skopeo")) else {
        tools::not_tested("images", "docker-registry or skopeo is not there; run `cargo xtask tools`");
        return None;
    };
    let [registry, issuer] = images.origins();
    let credential = format!("[credential]\npattern = 'basic'\nusername = '{}'\n", images::ACCOUNT);
    let text = format!(
        "template = '{template}'\naddress = ['{registry}', '{issuer}']\nca = '{}'\n{credential}",
        world.pem.display()
    );
    world.home.write("resources/images.toml", &text);
    world.set_secret("images");
    // Adding one has the daemon take all files that are there.
    world.add_open("unused", "https://unused.example", "http");
    images::layout(&world.home.workspace().join("image"), "hello");
    let mut seed = std::process::Command::new(tools::find("skopeo").unwrap());
    seed.args(["copy", "-q", "--insecure-policy", "--dest-creds", &format!("{}:{TOKEN}", images::ACCOUNT)])
        .arg(format!("oci:{}", world.home.workspace().join("image").display()))
        .arg(format!("docker://{}/acme/site:v1", images.host()))
        .env("SSL_CERT_FILE", &world.pem)
        .env("LD_LIBRARY_PATH", libraries());
    let seeded = seed.output().unwrap();
    assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
    assert_eq!(images.tags("acme/site"), ["v1"]);
    Some((world, images))
}

/// Where fetched libraries lie.
fn libraries() -> String {
    let root = tools::directory().join("debian/usr/lib");
    let of_machine = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    of_machine.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

/// A script inside that can call `skopeo`.
fn script(world: &World, script: &str) -> Finished {
    let program = tools::find("skopeo").unwrap();
    let skopeo = format!(
        "skopeo() {{ LD_LIBRARY_PATH={} {} --insecure-policy --tmpdir /tmp \"$@\"; }}\n",
        libraries(),
        program.display()
    );
    world.script(&(skopeo + script))
}

/// Shell: asks the realm for a token, as any client would, and has what it answered in the file `told`.
fn ask_for_a_token(images: &Images) -> String {
    let [_, issuer] = images.origins();
    format!("curl -sS -o told '{issuer}/token?service=registry.example&scope=repository:acme/site:pull'\n")
}

fn nothing_inside(world: &World, images: &Images, output: &str) {
    assert!(!images.issued().is_empty(), "no token was ever issued");
    for token in images.issued() {
        let body = token.split('.').nth(1).unwrap();
        assert!(!output.contains(body), "{output}");
        assert!(hunt::in_files(&world.home.workspace(), body.as_bytes()).is_empty(), "a token is inside");
    }
    assert!(hunt::in_files(&world.home.workspace(), TOKEN.as_bytes()).is_empty());
}

#[test]
fn an_image_is_pulled_without_a_question_and_its_token_stays_outside() {
    let Some((world, images)) = world("oci") else { return };
    let pull =
        format!("skopeo copy -q docker://{}/acme/site:v1 oci:pulled\ncat pulled/index.json\n", images.host());
    let told = script(&world, &(pull + &ask_for_a_token(&images))).ok().stdout();
    assert!(told.contains("manifests"), "{told}");
    nothing_inside(&world, &images, &told);
    // What a client is told has the form of a token.
    let text = std::fs::read_to_string(world.home.workspace().join("told")).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(answer["token"].as_str().unwrap().len() > 100 && answer["expires_in"] == 300, "{answer}");
    assert_eq!(answer["token"], answer["access_token"]);
}

#[test]
fn without_its_template_the_token_comes_inside() {
    // What the attack is: a client that is any client gets a real token by asking.
    let Some((world, images)) = world("http") else { return };
    script(&world, &ask_for_a_token(&images)).ok();
    let told = std::fs::read_to_string(world.home.workspace().join("told")).unwrap();
    assert!(images.issued().iter().any(|token| told.contains(token)), "{told}");
}

#[test]
fn a_dummy_opens_the_registry_and_nothing_else() {
    let Some((world, images)) = world("oci") else { return };
    let elsewhere = Upstream::secure(&world.ca);
    world.add_open("elsewhere", &elsewhere.url(""), "http");
    let [registry, issuer] = images.origins();
    let code = "curl -s -o said -w '%{http_code}\\n'";
    let told = script(
        &world,
        &format!(
            "{}token=$(/usr/bin/python3 -c 'import json; print(json.load(open(\"told\"))[\"token\"])')\n\
             {code} -H \"Authorization: Bearer $token\" {registry}/v2/acme/site/tags/list\n\
             {code} -H \"Authorization: Bearer $token\" {}\n\
             {code} -u attacker:pass '{issuer}/token?service=registry.example'\n\
             {code} -d 'grant_type=password&username=a&password=b' {issuer}/token\n\
             {code} '{issuer}/token?service=registry.example&offline_token=true'\n",
            ask_for_a_token(&images),
            elsewhere.url("/"),
        ),
    )
    .ok()
    .stdout();
    let codes: Vec<_> = told.lines().collect();
    assert_eq!(codes, ["200", "403", "200", "403", "403"], "{told}");
    // The attacker's own account is not passed on: ours is put in its place, for a token that stays outside.
    let asked = images.asked();
    assert!(asked.iter().all(|seen| !seen.mentions("YXR0YWNrZXI6cGFzcw")), "{asked:#?}");
    assert!(asked.iter().all(|seen| seen.method == "GET" && !seen.target.contains("offline_token")));
    assert!(elsewhere.seen().is_empty());
    nothing_inside(&world, &images, &told);
}

/// Says yes to what waits, for its target, once it waits; the card says what it is.
fn say_yes(world: &World, shown: &[&str]) {
    until(|| !open(world).is_empty());
    let person = Person::at_the_card(world);
    let card = person.contents();
    for shown in shown {
        assert!(card.contains(shown), "{shown} in\n{card}");
    }
    person.say_for_the_target();
}

#[test]
fn a_push_waits_once_for_its_layers_and_once_for_each_name() {
    let Some((world, images)) = world("oci") else { return };
    // More than a person could be asked about at once.
    let large = world.home.workspace().join("large");
    images::layout(&large, &"large ".repeat(1 << 19));
    let push = |from: &str, tag: &str| {
        format!("skopeo copy -q oci:{from} docker://{}/acme/new:{tag}\n", images.host())
    };
    let script_inside = push("large", "v1") + &push("large", "v1") + &push("image", "v2");
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| script(&world, &script_inside));
        say_yes(&world, &["registry.upload", "acme/new", "external"]);
        say_yes(&world, &["registry.publish", "acme/new:v1"]);
        until(|| images.tags("acme/new") == ["v1"]);
        say_yes(&world, &["registry.publish", "acme/new:v2"]);
        let ended = inside.join().unwrap();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
    });
    assert_eq!(images.tags("acme/new"), ["v1", "v2"]);
    let log: Vec<serde_json::Value> = world.bailiwick().run(["--json", "log"]).ok().ndjson();
    let asked: std::collections::BTreeSet<_> = log
        .iter()
        .filter(|row| row["decision"] == "hold")
        .map(|row| row["target"].as_str().unwrap())
        .collect();
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["acme/new", "acme/new:v1", "acme/new:v2"]);
}
