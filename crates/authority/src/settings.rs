//! `bailiwick.toml`: the few settings of a daemon. Unknown keys are errors.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

/// The settings, all with defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long sessions live.
    pub session: SessionSettings,
    /// Which guardrails stand below the policies of `policies/`.
    pub policy: PolicySettings,
    /// How much one session may do at once.
    pub quota: QuotaSettings,
    /// How people are asked.
    pub approval: ApprovalSettings,
    /// How far work may be handed on.
    pub delegation: DelegationSettings,
    /// How observed sessions reach what is not declared.
    pub observe: ObserveSettings,
}

/// How observed sessions reach what is not declared: for networks whose only way out is a proxy that takes connections as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObserveSettings {
    /// A PEM file with an authority that is trusted besides the host's own.
    pub ca: Option<PathBuf>,
    /// Where every such name is dialled instead of what it resolves to. Certificates are verified for the name all the same.
    pub dial: Option<SocketAddr>,
}

/// How far work may be handed on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DelegationSettings {
    /// Delegations between a root session and any below it, at most.
    pub depth: u16,
    /// Sessions that one session has delegated and that are going on, at most.
    pub children: usize,
}

/// How long sessions live.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// At most, with a terminal.
    #[serde(deserialize_with = "duration")]
    pub ttl_terminal: Duration,
    /// At most, without a terminal.
    #[serde(deserialize_with = "duration")]
    pub ttl: Duration,
    /// Without a single action.
    #[serde(deserialize_with = "duration")]
    pub idle: Duration,
    /// How long before its end people are told, so that they can give it more time.
    #[serde(deserialize_with = "duration")]
    pub told_before: Duration,
}

/// Which guardrails stand below the policies of `policies/`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// The name of a shipped preset: `default`, `strict`, or `none`.
    pub preset: String,
}

/// How much one session may do at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaSettings {
    /// Actions under way at the same time.
    pub actions: usize,
}

/// How people are asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalSettings {
    /// How long an attempt waits on the wire at most; at most 90 seconds.
    #[serde(deserialize_with = "duration")]
    pub wait: Duration,
    /// How long a yes to one effect is good, and a no stands.
    #[serde(deserialize_with = "duration")]
    pub valid: Duration,
    /// Questions of one session that may be open at once.
    pub open: usize,
    /// Questions of one session, after which it pauses.
    pub total: usize,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self { wait: Duration::from_secs(90), valid: Duration::from_secs(600), open: 3, total: 10 }
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { ttl_terminal: hour * 12, ttl: hour, idle: hour, told_before: Duration::from_secs(600) }
    }
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self { preset: "default".to_owned() }
    }
}

impl Default for DelegationSettings {
    fn default() -> Self {
        Self { depth: 4, children: 32 }
    }
}

impl Default for QuotaSettings {
    fn default() -> Self {
        Self { actions: 1024 }
    }
}

/// `bailiwick.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {detail}")]
pub struct SettingsError {
    /// The file and, where it is known, the line.
    place: String,
    detail: String,
}

impl Settings {
    /// Reads `bailiwick.toml` in `home`; defaults where there is none.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, or has an unknown key.
    pub fn read(home: &Path) -> Result<Self, SettingsError> {
        let path = home.join("bailiwick.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| mistake(&path, &text, &error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(SettingsError { place: path.display().to_string(), detail: error.to_string() }),
        }
    }
}

/// A mistake in the text of the file, with its line as in every other file a person edits.
fn mistake(path: &Path, text: &str, error: &toml::de::Error) -> SettingsError {
    let line =
        error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    SettingsError { place: format!("{}{line}", path.display()), detail: error.message().replace('\n', " ") }
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| serde::de::Error::custom(format!("`{text}` is not a duration like `90s` or `1h`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_as_the_manual_says() {
        let manual = include_str!("../../../docs/settings.md");
        let block = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(toml::from_str::<Settings>(block).unwrap(), Settings::default());
    }

    #[test]
    fn reads_durations_and_refuses_unknown_keys() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Settings::read(home.path()).unwrap(), Settings::default());
        std::fs::write(home.path().join("bailiwick.toml"), "[session]\nidle = '90s'\n").unwrap();
        assert_eq!(Settings::read(home.path()).unwrap().session.idle, Duration::from_secs(90));
        std::fs::write(home.path().join("bailiwick.toml"), "[session]\nidel = '90s'\n").unwrap();
        let error = Settings::read(home.path()).unwrap_err().to_string();
        assert!(error.contains("bailiwick.toml:2: ") && error.contains("idel"), "{error}");
    }
}
