//! The simple repository API (PEP 503) with one wheel (PEP 427).

use std::io::{Cursor, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Response, StatusCode};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{GREETING, PACKAGE, VERSION};
use crate::http_server::{Body, answer};

pub(super) fn serve(path: &str) -> Option<Response<Body>> {
    let file = format!("{}-{VERSION}-py3-none-any.whl", module());
    match path.strip_prefix('/')? {
        "simple/" => Some(page(&format!("<a href=\"/simple/{PACKAGE}/\">{PACKAGE}</a>"))),
        project if project == format!("simple/{PACKAGE}/") => {
            let digest = hex::encode(Sha256::digest(wheel()));
            Some(page(&format!("<a href=\"/packages/{file}#sha256={digest}\">{file}</a>")))
        }
        wanted if wanted == format!("packages/{file}") => {
            Some(answer(StatusCode::OK, "application/octet-stream", wheel()))
        }
        _ => None,
    }
}

fn module() -> String {
    PACKAGE.replace('-', "_")
}

fn page(links: &str) -> Response<Body> {
    answer(
        StatusCode::OK,
        "text/html; charset=utf-8",
        format!("<!DOCTYPE html><html><body>{links}</body></html>"),
    )
}

fn wheel() -> Vec<u8> {
    let module = module();
    let info = format!("{module}-{VERSION}.dist-info");
    let files = [
        (format!("{module}/__init__.py"), format!("GREETING = {GREETING:?}\n")),
        (format!("{info}/METADATA"), format!("Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n")),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: testkit\nRoot-Is-Purelib: true\nTag: py3-none-any\n".into(),
        ),
    ];
    let mut record = String::new();
    for (path, text) in &files {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
        record.push_str(&format!("{path},sha256={digest},{}\n", text.len()));
    }
    record.push_str(&format!("{info}/RECORD,,\n"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (path, text) in files.into_iter().chain([(format!("{info}/RECORD"), record)]) {
        archive.start_file(path, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
