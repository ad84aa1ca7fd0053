//! What a push would change: its pack is kept aside, compared with the branches that the forge has, and sent on from there if it may be.
//!
//! The repository that is pushed from is found through the process that pushes. That is a hint, and may be a lie: see [`bailiwick_git`].

use std::{
    fs::{self, File},
    io::{Seek as _, Write as _},
    sync::Arc,
};

use bailiwick_core::{Arguments, Effects, Value};
use bailiwick_git::{Id, Push, Unseen, carried, store_of};
use bailiwick_guard::pushed;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking};

use super::{
    super::{
        body::{Prepared, Spool},
        canonical::Canonical,
        exchange::Wire,
        malformed::Malformed,
    },
    Commands, heads,
};

/// The largest pack that is looked through, in bytes.
const LARGEST: u64 = 512 << 20;
/// Bytes that are written aside at once.
const CHUNK: usize = 1 << 20;
/// The most paths that are told.
const TOLD: usize = 32;

/// Looks through a push, and says in `arguments` what it changes: `seen`, and `changes` or, where it is not known, `unseen`.
///
/// # Errors
/// If the body breaks off, or cannot be kept.
pub(crate) async fn look(
    wire: &Wire,
    canonical: &Canonical,
    commands: &Commands,
    prepared: Prepared,
    arguments: &mut Arguments,
) -> Result<Prepared, Malformed> {
    let updates = commands.updates();
    let (prepared, found) = if updates.is_empty() {
        (prepared, Ok(Vec::new()))
    } else {
        let (prepared, pack) = set_aside(wire, commands, prepared).await?;
        let found = match pack {
            Ok(pack) => compare(wire, canonical, updates, pack).await,
            Err(unseen) => Err(unseen),
        };
        (prepared, found)
    };
    arguments.insert("seen".to_owned(), found.is_ok().into());
    match found {
        Ok(changes) => arguments.insert("changes".to_owned(), told(&changes)),
        Err(unseen) => arguments.insert("unseen".to_owned(), unseen.to_string().as_str().into()),
    };
    Ok(prepared)
}

/// Says likewise what a request changes that writes one file: the argument `file`.
pub(crate) fn of_file(arguments: &mut Arguments, effects: Effects) {
    let Some(Value::Text(file)) = arguments.get("file").filter(|_| !effects.is_read()) else { return };
    let names: Vec<&[u8]> = file.split('/').filter(|name| !name.is_empty()).map(str::as_bytes).collect();
    if pushed(&names).is_some() {
        let changes = Value::List(vec![file.as_str().into()]);
        arguments.insert("changes".to_owned(), changes);
    }
}

fn told(changes: &[String]) -> Value {
    let more = changes.len().saturating_sub(TOLD);
    let mut told: Vec<Value> = changes.iter().take(TOLD).map(|path| path.as_str().into()).collect();
    if more > 0 {
        told.push(format!("and {more} more").as_str().into());
    }
    Value::List(told)
}

async fn compare(
    wire: &Wire,
    canonical: &Canonical,
    updates: Vec<(Option<Id>, Id)>,
    pack: Option<File>,
) -> Result<Vec<String>, Unseen> {
    let tips = heads::repository(canonical).and_then(|repository| wire.plane.forges().tips(&repository));
    let (process, plane) = (wire.process.pid, Arc::clone(&wire.plane));
    let compared = spawn_blocking(move || {
        // As the process sees it: in its sandbox the home is another than here, and what is there is not found.
        let directory = fs::read_link(format!("/proc/{process}/cwd")).ok();
        let store = directory.and_then(|directory| store_of(&directory, plane.workspace()));
        carried(Push {
            updates: &updates,
            pack,
            tips: tips.as_deref(),
            store: store.as_deref(),
            room: plane.room_for_pushes(),
        })
    });
    let paths = compared.await.map_err(|error| Unseen::Git(error.to_string()))??;
    Ok(paths.into_iter().collect())
}

/// The pack, or why it is not looked through.
type Pack = Result<Option<File>, Unseen>;

/// Keeps aside what follows the commands.
async fn set_aside(
    wire: &Wire,
    commands: &Commands,
    prepared: Prepared,
) -> Result<(Prepared, Pack), Malformed> {
    let Prepared { mut read, rest, room, .. } = prepared;
    let begun = read.split_off(commands.length().min(read.len()));
    let place = wire.plane.place_for_push().await;
    let file =
        tempfile::tempfile_in(&wire.plane.room_for_pushes().directory).map_err(|error| unkept(&error))?;
    let mut aside = Aside { file, written: 0, waiting: begun.to_vec() };
    let rest = match rest {
        Some(rest) => aside.take(rest).await?,
        None => None,
    };
    aside.write().await.map_err(|error| unkept(&error))?;
    let pack = aside
        .file
        .try_clone()
        .and_then(|mut file| file.rewind().map(|()| file))
        .map_err(|error| unkept(&error))?;
    let pack = match (&rest, aside.written) {
        (Some(_), _) => Err(Unseen::TooMuch("512 MiB")),
        (None, 0) => Ok(None),
        (None, _) => Ok(Some(pack)),
    };
    Ok((Prepared { read, spool: Some(aside.spool(place)), rest, room }, pack))
}

fn unkept(error: &std::io::Error) -> Malformed {
    Malformed::new(format!("the push cannot be kept aside: {error}"))
}

struct Aside {
    file: File,
    written: u64,
    waiting: Vec<u8>,
}

impl Aside {
    /// Writes what comes from `body`, up to the limit; what is left of it then.
    async fn take(&mut self, mut body: Incoming) -> Result<Option<Incoming>, Malformed> {
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Malformed::new("the push broke off, or is not framed as its head says"))?;
            let Ok(data) = frame.into_data() else { continue };
            self.waiting.extend_from_slice(&data);
            if self.waiting.len() >= CHUNK {
                self.write().await.map_err(|error| unkept(&error))?;
            }
            if self.written > LARGEST {
                return Ok(Some(body));
            }
        }
        Ok(None)
    }

    async fn write(&mut self) -> std::io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut file = self.file.try_clone()?;
        self.written += waiting.len() as u64;
        spawn_blocking(move || file.write_all(&waiting)).await.map_err(std::io::Error::other)?
    }

    fn spool(self, place: Option<OwnedSemaphorePermit>) -> Spool {
        Spool::new(self.file, self.written, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_paths_are_told_than_a_person_reads() {
        let Value::List(told) = told(&(0..100).map(|number| number.to_string()).collect::<Vec<_>>()) else {
            panic!()
        };
        assert_eq!((told.len(), told[32].clone()), (33, "and 68 more".into()));
    }
}
