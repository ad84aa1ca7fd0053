//! What the sandbox sees of `/etc`: an allow-list.
//!
//! Configuration that programs need to find their libraries, names, time zone and certificates. Small files are copied into memory,
//! directories are shown read-only. Never: `shadow`, host keys, anything a token could be in (`npmrc`, `pip.conf`, `gitconfig`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bailiwick_sandbox_sys::{Bind, Mount};

use crate::error::SandboxError;
use crate::layout::READ_ONLY;
use crate::paths::{c_string, in_root};

/// Larger files are shown rather than copied.
const COPY_LIMIT: u64 = 256 * 1024;

const NAMES: &[&str] = &[
    "adduser.conf",
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "default/locale",
    "environment.d",
    "fedora-release",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "issue",
    "java",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "magic.mime",
    "manpath.config",
    "maven",
    "mime.types",
    "mtab",
    "nanorc",
    "netconfig",
    "networks",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "redhat-release",
    "rpc",
    "screenrc",
    "services",
    "shells",
    "ssh/ssh_config",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "tmux.conf",
    "vim",
    "wgetrc",
    "xattr.conf",
    "xdg",
    "zsh",
];

/// The pieces of `/etc`, in order.
pub(crate) fn mounts(uid: u32, gid: u32) -> Result<Vec<Mount>, SandboxError> {
    let mut mounts = vec![Mount::Directory { target: c_string("etc")?, mode: 0o755 }];
    for name in NAMES {
        mounts.extend(piece(&Path::new("/etc").join(name))?);
    }
    for (name, own) in [("passwd", uid), ("group", gid)] {
        let all = fs::read_to_string(format!("/etc/{name}")).unwrap_or_default();
        mounts.push(file(&format!("etc/{name}"), system_entries(&all, own).into_bytes())?);
    }
    mounts.push(file("etc/hostname", b"bailiwick\n".to_vec())?);
    mounts.push(file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n198.18.0.1 bailiwick\n".to_vec())?);
    mounts.push(file("etc/resolv.conf", b"nameserver 198.18.0.1\n".to_vec())?);
    Ok(mounts)
}

fn file(target: &str, contents: Vec<u8>) -> Result<Mount, SandboxError> {
    Ok(Mount::File { target: c_string(target)?, mode: 0o644, contents })
}

/// One entry; nothing if it is not there or not for everyone to read.
fn piece(path: &Path) -> Result<Option<Mount>, SandboxError> {
    let target = in_root(path)?;
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(None) };
    if metadata.is_symlink() {
        let Ok(to) = fs::read_link(path) else { return Ok(None) };
        return Ok(Some(Mount::Symlink { target, to: c_string(to)? }));
    }
    if metadata.permissions().mode() & 0o004 == 0 {
        return Ok(None);
    }
    if metadata.is_file() && metadata.len() <= COPY_LIMIT {
        let contents = fs::read(path).ok();
        return Ok(contents.map(|contents| Mount::File { target, mode: 0o644, contents }));
    }
    let source = c_string(path)?;
    Ok(Some(Mount::Bind(Bind { source, target, attributes: READ_ONLY, identity: None, optional: true })))
}

/// The entries of the system and one's own: who else has an account is nobody's business inside.
fn system_entries(all: &str, own: u32) -> String {
    all.lines()
        .filter(|line| {
            let id = line.split(':').nth(2).and_then(|field| field.parse::<u32>().ok());
            id.is_some_and(|id| id < 1000 || id == own || id == 65_534)
        })
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_peoples_accounts_are_not_shown() {
        let all = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\nodd\n";
        let shown = system_entries(all, 1001);
        assert_eq!(shown, "root:x:0:0::/root:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n");
    }

    #[test]
    fn what_not_everyone_may_read_is_left_out() {
        assert!(piece(Path::new("/etc/shadow")).unwrap().is_none());
    }
}
