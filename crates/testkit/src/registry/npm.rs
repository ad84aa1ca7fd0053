//! The part of the npm registry that `npm install` asks for: one packument, one tarball.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha512};

use super::{GREETING, PACKAGE, VERSION, tar_gz};
use crate::http_server::{Body, answer};

pub(super) fn serve(path: &str, base: &str) -> Option<Response<Body>> {
    let file = format!("{PACKAGE}-{VERSION}.tgz");
    match path.strip_prefix('/')? {
        name if name == PACKAGE => Some(answer(StatusCode::OK, "application/json", packument(base, &file))),
        wanted if wanted == format!("{PACKAGE}/-/{file}") => {
            Some(answer(StatusCode::OK, "application/octet-stream", tarball()))
        }
        _ => None,
    }
}

fn packument(base: &str, file: &str) -> String {
    let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(tarball())));
    json!({
        "name": PACKAGE,
        "dist-tags": { "latest": VERSION },
        "versions": { VERSION: {
            "name": PACKAGE,
            "version": VERSION,
            "main": "index.js",
            "dist": { "tarball": format!("{base}/{PACKAGE}/-/{file}"), "integrity": integrity },
        }},
    })
    .to_string()
}

fn tarball() -> Vec<u8> {
    let manifest = json!({ "name": PACKAGE, "version": VERSION, "main": "index.js" }).to_string();
    let index = format!("exports.greeting = {GREETING:?};\n");
    tar_gz(&[("package/package.json", &manifest), ("package/index.js", &index)])
}
