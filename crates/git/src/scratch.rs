//! A repository of our own for one push: bare, without configuration but ours, gone when it is dropped. The repository that is pushed from is
//! an alternate of it: objects are looked for there as well.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Format, Unseen,
    confined::{Confined, git},
};

/// How long git may take to unpack.
const UNPACK: Duration = Duration::from_secs(120);
/// The most of its complaint that is kept, in bytes.
const COMPLAINT: u64 = 512;

/// Where comparisons are made.
#[derive(Clone, Debug)]
pub struct Workroom {
    /// A directory for what is kept aside for a while.
    pub directory: PathBuf,
    /// Where git is looked for, as in `PATH`.
    pub search: OsString,
}

#[derive(Debug)]
pub(crate) struct Scratch {
    directory: TempDir,
    search: OsString,
}

impl Scratch {
    /// Makes one in `room`, with the objects at `store` as its alternate.
    pub(crate) fn new(room: &Workroom, store: Option<&Path>, format: Format) -> Result<Self, Unseen> {
        Self::make(room, store, format).map_err(|error| Unseen::Git(error.to_string()))
    }

    fn make(room: &Workroom, store: Option<&Path>, format: Format) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("push-").tempdir_in(&room.directory)?;
        let at = |name: &str| directory.path().join(name);
        for name in ["objects/info", "objects/pack", "refs"] {
            fs::create_dir_all(at(name))?;
        }
        fs::write(at("HEAD"), "ref: refs/heads/none\n")?;
        fs::write(at("config"), configuration(format))?;
        // A line of its own, absolute: a path that could be read in another way is not looked at.
        if let Some(store) =
            store.filter(|store| store.is_absolute() && !store.as_os_str().as_bytes().contains(&b'\n'))
        {
            fs::write(at("objects/info/alternates"), [store.as_os_str().as_bytes(), b"\n"].concat())?;
        }
        Ok(Self { directory, search: room.search.clone() })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where git is looked for.
    pub(crate) fn search(&self) -> &OsStr {
        &self.search
    }

    /// Unpacks what `pack` holds from where it stands; objects that it builds on are taken from the alternate, which git verifies.
    pub(crate) fn unpack(&self, pack: File) -> Result<(), Unseen> {
        let mut command = git(self);
        command
            .args(["index-pack", "--stdin", "--fix-thin", "--threads=1"])
            .stdin(pack)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut git = Confined::start(&mut command, UNPACK)?;
        let mut complaint = Vec::new();
        if let Some(stderr) = git.child.stderr.take() {
            // It is ended by the watch, so this ends too; more than this is not read, which ends it as well.
            let _ = stderr.take(COMPLAINT).read_to_end(&mut complaint);
        }
        let status = git.child.wait().map_err(|error| Unseen::Git(error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&complaint);
        let line = said.lines().last().unwrap_or("it was stopped").trim();
        Err(Unseen::Pack(line.escape_debug().to_string()))
    }
}

fn configuration(format: Format) -> String {
    let extension = match format {
        Format::Sha1 => String::new(),
        Format::Sha256 => format!("[extensions]\n\tobjectFormat = {}\n", format.word()),
    };
    let version = i32::from(format == Format::Sha256);
    format!(
        "[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n\tbigFileThreshold = 1m\n\tfsync = none\n\
         \tcommitGraph = false\n\tdeltaBaseCacheLimit = 64m\n{extension}"
    )
}
