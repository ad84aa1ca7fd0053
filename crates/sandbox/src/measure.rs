//! The SHA-256 of the program that will run, taken from the very descriptor that will be executed.
//!
//! Large programs are hashed once: a cache of ours remembers the digest by device, inode, size and both times. Only root could
//! change a file and keep its change time.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

const CACHE: &str = "digests";
/// The cache starts anew when it is larger.
const CACHE_LIMIT: u64 = 256 * 1024;
const CHUNK: usize = 256 * 1024;

/// What identifies a version of a file.
fn key(file: &File) -> io::Result<String> {
    let m = file.metadata()?;
    Ok(format!(
        "{}:{}:{}:{}.{:09}:{}.{:09}",
        m.dev(),
        m.ino(),
        m.size(),
        m.mtime(),
        m.mtime_nsec(),
        m.ctime(),
        m.ctime_nsec()
    ))
}

/// The digest, in hexadecimal.
///
/// # Errors
/// If the file cannot be read, or changes while it is.
pub(crate) fn sha256(file: &File, state: &Path) -> io::Result<String> {
    let key = key(file)?;
    let cache = state.join(CACHE);
    if let Some(digest) = remembered(&cache, &key) {
        return Ok(digest);
    }
    let digest = compute(file)?;
    if self::key(file)? != key {
        return Err(io::Error::other("it changed while it was measured"));
    }
    // A cache that cannot be written only costs time.
    let _ = remember(&cache, &key, &digest);
    Ok(digest)
}

fn compute(mut file: &File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex::encode(hash.finalize())),
            length => hash.update(chunk.get(..length).unwrap_or_default()),
        }
    }
}

fn remembered(cache: &Path, key: &str) -> Option<String> {
    let lines = fs::read_to_string(cache).ok()?;
    lines
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ').map(String::from))
        .filter(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn remember(cache: &Path, key: &str, digest: &str) -> io::Result<()> {
    let too_large = fs::metadata(cache).is_ok_and(|metadata| metadata.len() > CACHE_LIMIT);
    let mut options = fs::OpenOptions::new();
    if too_large {
        options.write(true).truncate(true)
    } else {
        options.append(true)
    };
    options.create(true).open(cache)?.write_all(format!("{key} {digest}\n").as_bytes())
}
