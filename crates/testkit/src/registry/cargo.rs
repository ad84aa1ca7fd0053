//! A sparse index of cargo (RFC 2789) with one crate.

use http::{Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{GREETING, PACKAGE, VERSION, tar_gz};
use crate::http_server::{Body, answer};

pub(super) fn serve(path: &str, base: &str) -> Option<Response<Body>> {
    match path.strip_prefix('/')? {
        "config.json" => {
            let config = json!({ "dl": format!("{base}/crates/{{crate}}/{{version}}/download") });
            Some(answer(StatusCode::OK, "application/json", config.to_string()))
        }
        index if index == format!("{}/{}/{PACKAGE}", &PACKAGE[..2], &PACKAGE[2..4]) => {
            Some(answer(StatusCode::OK, "text/plain", entry()))
        }
        download if download == format!("crates/{PACKAGE}/{VERSION}/download") => {
            Some(answer(StatusCode::OK, "application/gzip", package()))
        }
        _ => None,
    }
}

fn entry() -> String {
    let checksum = hex::encode(Sha256::digest(package()));
    let line = json!({ "name": PACKAGE, "vers": VERSION, "deps": [], "cksum": checksum, "features": {}, "yanked": false });
    format!("{line}\n")
}

fn package() -> Vec<u8> {
    let manifest = format!("[package]\nname = \"{PACKAGE}\"\nversion = \"{VERSION}\"\nedition = \"2021\"\n");
    let library = format!("pub const GREETING: &str = {GREETING:?};\n");
    let root = format!("{PACKAGE}-{VERSION}");
    tar_gz(&[(&format!("{root}/Cargo.toml"), &manifest), (&format!("{root}/src/lib.rs"), &library)])
}
