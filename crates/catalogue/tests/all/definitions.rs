//! What a person may write, and what they are told where it is wrong.

use bailiwick_catalogue::{BodyRule, Definition, DefinitionError, Resource};

fn load(text: &str) -> Result<Resource, DefinitionError> {
    Definition::load("api".parse().unwrap(), "api.toml", &format!("address = 'https://api.example'\n{text}"))
}

#[test]
fn a_group_is_unfolded() {
    let api = load(
        "[[group]]\npath = '/repos/{owner:caseless}'\ntarget = '{owner}'\narguments = { owner = '{owner}' }\nroute = [\n\
         { method = 'GET', operation = 'a.read', effects = ['read'] },\n\
         { method = 'PUT', path = '/keys/{key:int}', operation = 'a.key', effects = ['write'], arguments = { number = '{key}' } },\n]\n",
    )
    .unwrap();
    let paths: Vec<_> = api.routes.iter().map(|route| route.path.to_string()).collect();
    assert_eq!(paths, ["/repos/{owner:caseless}", "/repos/{owner:caseless}/keys/{key:int}"]);
    assert_eq!(api.routes[1].arguments.len(), 2);
}

#[test]
fn a_part_puts_its_prefix_in_front_and_has_a_place_for_the_credential() {
    let api = load(
        "credential = { pattern = 'bearer' }\nat.v3 = { host = 'api.example', prefix = '/api/v3' }\n\
         at.git = { host = 'api.example', credential = { pattern = 'basic', username = 'x' } }\n\
         at.files = { host = 'files.example', credentials = 'none' }\n\
         [[route]]\nat = 'v3'\nmethod = 'GET'\npath = '/user'\noperation = 'a.read'\neffects = ['read']\n",
    )
    .unwrap();
    assert_eq!(api.routes[0].path.to_string(), "/api/v3/user");
    let pattern = |host: &str, path: &str| {
        api.credential_at(host, 443, path).map(|spec| format!("{:?}", spec.pattern).to_lowercase())
    };
    assert_eq!(pattern("api.example", "/api/v3/user").unwrap(), "bearer");
    assert!(pattern("api.example", "/api/v33").unwrap().starts_with("basic"));
    assert!(pattern("api.example", "/acme/site.git").unwrap().starts_with("basic"));
    assert_eq!(pattern("files.example", "/x"), None);
}

#[test]
fn the_persons_routes_and_groups_go_before_the_templates() {
    let text = "template = 'rest'\naddress = 'https://api.example'\n[[group]]\nroute = [{ method = 'POST', path = '/graphql', \
                operation = 'own.graphql', effects = ['write'] }]\n";
    let api = Definition::load("api".parse().unwrap(), "api.toml", text).unwrap();
    assert_eq!(api.routes[0].operation.as_str(), "own.graphql");
    assert!(api.routes.len() > 1);
}

#[test]
fn an_inspected_body_is_read_whole() {
    let route = "[[route]]\nmethod = 'POST'\npath = '/x'\noperation = 'a.b'\neffects = ['write']\n";
    let api = load(&format!("[inspect.x]\nmax = 7\n{route}inspect = 'x'\n")).unwrap();
    assert_eq!(api.routes[0].body, BodyRule::Json { max: 7 });
}

#[test]
fn mistakes_are_told_with_the_key_and_what_to_write() {
    let route = "[[route]]\nmethod = 'POST'\npath = '/x'\noperation = 'a.b'\neffects = ['read']\n";
    for (text, words) in [
        ("adress = 'x'\n".to_owned(), "unknown field `adress`"),
        ("[inspect.x]\nkeys = []\n".to_owned(), "unknown field `keys`"),
        (format!("{route}inspect = 'x'\n"), "no table [inspect.x]"),
        (format!("{route}at = 'x'\n"), "no part `x`"),
        ("[at.x]\n".to_owned(), "a part has hosts"),
        ("at.x = { host = 'a b' }\n".to_owned(), "neither a DNS name"),
        ("at.x = { host = 'a.example', prefix = '/{v}' }\n".to_owned(), "captures nothing"),
        (
            "at.x = { host = 'a.example', credentials = 'none', credential = { pattern = 'bearer' } }\n"
                .to_owned(),
            "has no place",
        ),
        (
            format!(
                "{}mints = {{ fields = ['/access_token'], login = true }}\n",
                route.replace("read", "identity")
            ),
            "none to keep them as",
        ),
        (
            format!("{}mints = {{ fields = ['/token'], login = true }}\n", route.replace("read", "identity")),
            "hands out `/access_token`",
        ),
        (format!("{}body = 'graphql'\n", route.replace("read", "write")), "GraphQL query"),
        (format!("[inspect.x]\n{route}inspect = 'x'\nbody = 'stream'\n"), "only JSON can be inspected"),
        ("[[inspect.x.rule]]\nat = 'a..b'\nkeys = []\n".to_owned(), "not a place"),
        ("[[inspect.x.rule]]\nat = 'a'\n".to_owned(), "a rule has"),
        ("[[inspect.x.rule]]\nat = 'a'\nkeys = []\nvalues = []\n".to_owned(), "a rule has"),
        ("[inspect.x]\nallow = ['tools']\n".to_owned(), "no rule of [inspect.x]"),
        (
            "[[graphql.mutation]]\nname = 'x'\noperation = 'a.b'\neffects = ['read']\n".to_owned(),
            "changes something",
        ),
        (
            "[[graphql.mutation]]\nname = 'x'\noperation = 'a.b'\neffects = ['identity']\n".to_owned(),
            "hands out",
        ),
        (
            "[[group]]\nroute = [{ method = 'GET', operation = 'a.b', effects = ['read'] }]\n".to_owned(),
            "has a path",
        ),
        (route.replace("path = '/x'\n", ""), "has a path"),
        (format!("{route}mints = {{ cookies = false }}\n"), "captures nothing"),
        (format!("{route}mints = {{ fields = ['token'] }}\n"), "not a JSON pointer"),
        (format!("{route}mints = {{ cookies = true, optional = ['/a~b'] }}\n"), "not a JSON pointer"),
        (format!("{route}mints = {{ cookies = true }}\nstream = 'sse'\n"), "cannot wait"),
    ] {
        let error = load(&text).unwrap_err().to_string();
        assert!(error.starts_with("api.toml") && error.contains(words), "{text}: {error}");
    }
}
