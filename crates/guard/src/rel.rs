//! A path below the workspace, as bytes. Its text form is printable ASCII: names come from the agent and end up on a terminal.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Everything that is not encoded is printable ASCII other than the sign of encoding itself.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%').add(b'"').add(b'\\');

/// A path below the workspace: plain names only, no `..`, not absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rel(PathBuf);

impl Rel {
    /// The path, if it is one of plain names.
    pub fn new(path: impl Into<PathBuf>) -> Option<Self> {
        let path = path.into();
        let plain = path.components().all(|component| matches!(component, Component::Normal(_)));
        (plain && !path.as_os_str().as_bytes().contains(&0)).then_some(Self(path))
    }

    /// What `text` is from directory `self`, with `.` and `..` taken away. `None` if that is not below the workspace.
    #[must_use]
    pub(crate) fn join_lexically(&self, text: &Path) -> Option<Self> {
        let mut path = self.0.clone();
        for component in text.components() {
            match component {
                Component::CurDir => {}
                Component::Normal(name) => path.push(name),
                Component::ParentDir => {
                    if !path.pop() {
                        return None;
                    }
                }
                Component::Prefix(_) | Component::RootDir => return None,
            }
        }
        Some(Self(path))
    }

    /// The path of `name` in this directory.
    #[must_use]
    pub(crate) fn child(&self, name: &std::ffi::OsStr) -> Self {
        Self(self.0.join(name))
    }

    /// The directory it lies in; the workspace itself for a name at the top.
    #[must_use]
    pub(crate) fn parent(&self) -> Self {
        Self(self.0.parent().map(Path::to_path_buf).unwrap_or_default())
    }

    /// As a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// Its names.
    pub(crate) fn names(&self) -> Vec<&[u8]> {
        self.0.iter().map(OsStrExt::as_bytes).collect()
    }

    pub(crate) fn is_top(&self) -> bool {
        self.0.as_os_str().is_empty()
    }
}

impl fmt::Display for Rel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        percent_encode(self.0.as_os_str().as_bytes(), ENCODED).fmt(f)
    }
}

impl Serialize for Rel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Vec<u8> = percent_decode_str(&text).collect();
        Self::new(OsString::from_vec(bytes)).ok_or_else(|| de::Error::custom("not a path below a workspace"))
    }
}

/// Any path as printable ASCII, for `#[serde(with)]`.
pub(crate) mod path_text {
    use super::{
        Deserialize, Deserializer, ENCODED, OsStrExt, OsString, OsStringExt, Path, PathBuf, Serializer,
        percent_decode_str, percent_encode,
    };

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&percent_encode(path.as_os_str().as_bytes(), ENCODED))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(OsString::from_vec(percent_decode_str(&text).collect()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_survives_its_text_form() {
        let odd = OsString::from_vec(b"a/\xff\x1b[31m%/\n".to_vec());
        let rel = Rel::new(odd).unwrap();
        let text = serde_json::to_string(&rel).unwrap();
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
        assert_eq!(serde_json::from_str::<Rel>(&text).unwrap(), rel);
    }

    #[test]
    fn nothing_leads_out() {
        for bad in ["/etc", "../a", "a/../../b"] {
            assert!(Rel::new(bad).is_none(), "{bad}");
        }
        let at = Rel::new("a/b").unwrap();
        assert_eq!(at.join_lexically(Path::new("../../c")), Rel::new("c"));
        assert_eq!(at.join_lexically(Path::new("../../../c")), None);
        assert_eq!(at.join_lexically(Path::new("/c")), None);
    }
}
