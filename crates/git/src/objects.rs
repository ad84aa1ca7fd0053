//! Objects by their names, from `git cat-file --batch` (git-cat-file(1)), each hashed before it is believed.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{ChildStdin, ChildStdout, Stdio},
    time::Duration,
};

use crate::{
    Id, Unseen,
    confined::{Confined, git},
    scratch::Scratch,
};

/// How long all of it may take.
const TIME: Duration = Duration::from_secs(30);
/// The largest object that is read, in bytes.
const LARGEST: u64 = 8 << 20;
/// The most bytes of objects that are read for one push.
const BYTES: u64 = 256 << 20;
/// The most objects that are read for one push.
const OBJECTS: usize = 100_000;

/// Where objects are read from.
pub(crate) struct Objects {
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    bytes: u64,
    objects: usize,
    _git: Confined,
}

/// An object as it was found.
pub(crate) struct Object {
    pub(crate) kind: String,
    pub(crate) content: Vec<u8>,
}

impl Objects {
    pub(crate) fn open(scratch: &Scratch) -> Result<Self, Unseen> {
        let mut command = git(scratch);
        command.args(["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut git = Confined::start(&mut command, TIME)?;
        let pipes = git.child.stdin.take().zip(git.child.stdout.take());
        let (questions, answers) = pipes.ok_or_else(|| Unseen::Git("it has no pipes".to_owned()))?;
        Ok(Self { questions, answers: BufReader::new(answers), bytes: 0, objects: 0, _git: git })
    }

    /// The object, or `None` if it is nowhere.
    pub(crate) fn find(&mut self, id: &Id) -> Result<Option<Object>, Unseen> {
        self.objects += 1;
        if self.objects > OBJECTS {
            return Err(Unseen::TooMuch("100,000 objects"));
        }
        writeln!(self.questions, "{id}").map_err(|error| broken(&error))?;
        let mut line = String::new();
        (&mut self.answers).take(256).read_line(&mut line).map_err(|error| broken(&error))?;
        let mut words = line.trim_end().split(' ');
        let (named, kind, length) = (words.next(), words.next(), words.next());
        if kind == Some("missing") {
            return Ok(None);
        }
        let length = length.and_then(|length| length.parse::<u64>().ok());
        let (Some(kind), Some(length), true) = (kind, length, named == Some(id.to_string().as_str())) else {
            return Err(Unseen::Git("it did not answer in time, or not as it should".to_owned()));
        };
        self.bytes += length;
        if length > LARGEST || self.bytes > BYTES {
            return Err(Unseen::TooMuch("256 MiB of trees, 8 MiB each"));
        }
        let mut content = Vec::new();
        (&mut self.answers).take(length + 1).read_to_end(&mut content).map_err(|error| broken(&error))?;
        if content.len() as u64 != length + 1 {
            return Err(Unseen::Git("it did not answer in time".to_owned()));
        }
        if content.pop() != Some(b'\n') || !id.names(kind, &content) {
            return Err(Unseen::False(id.clone()));
        }
        Ok(Some(Object { kind: kind.to_owned(), content }))
    }

    /// The content of an object of this kind, which has to be there.
    pub(crate) fn read(&mut self, id: &Id, kind: &str) -> Result<Vec<u8>, Unseen> {
        match self.find(id)? {
            Some(object) if object.kind == kind => Ok(object.content),
            Some(_) => Err(Unseen::False(id.clone())),
            None => Err(Unseen::Missing(id.clone())),
        }
    }
}

fn broken(error: &std::io::Error) -> Unseen {
    Unseen::Git(error.to_string())
}
