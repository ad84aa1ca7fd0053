//! The person at the agent's terminal: told that something waits, or that the session ends soon, and shown the card when Ctrl-] is pressed.
//!
//! The card stands on a screen of ours, on which the agent can draw nothing; what is typed there never reaches the agent. What draws
//! attention (bell, title, notifications) says fixed words and numbers only: no text that an agent chose gets to a terminal or a program that way.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bailiwick_client::Client;
use bailiwick_core::{Approval, ApprovalId};
use bailiwick_launch::Ends;
use bailiwick_sandbox::terminal::Aside;
use bailiwick_wire::{AnswerRequest, ApprovalView, ExtendRequest, SessionView};
use rustix::event::{EventfdFlags, eventfd};

use super::listening::told;
use crate::card::{self, Words};

/// What is said where more than a bell is heard.
const WAITS: &str = "bailiwick: something waits for your yes (Ctrl-] at the agent, or: bailiwick approve)";
/// The same, where the session's time is almost up.
const ENDS: &str = "bailiwick: the session ends soon (Ctrl-] at the agent, or: bailiwick session extend)";
/// Lines below a card: the words, and where the answer is typed.
const BELOW: usize = 8;
/// The longest answer that is kept.
const ANSWER: usize = 64;

/// The end that hears of holds. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Bell(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    event: OwnedFd,
    waiting: Mutex<VecDeque<ApprovalId>>,
    /// Whether something waits that nobody was told of.
    untold: AtomicBool,
    /// When the session ends, where that is soon.
    ending: Mutex<Option<Ends>>,
    /// Whether nobody was told of that.
    ending_untold: AtomicBool,
    /// Ports that nobody was told of.
    listening: Mutex<Vec<u16>>,
    heralds: Heralds,
}

/// Programs that tell a person elsewhere, where they are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heralds {
    pub(crate) tmux: Option<PathBuf>,
    pub(crate) notify_send: Option<PathBuf>,
}

/// The end at the terminal.
#[derive(Debug)]
pub(crate) struct Attention {
    shared: Arc<Shared>,
    client: Client,
    showing: Option<Showing>,
}

/// What is on the screen, and what was typed below it.
#[derive(Debug)]
struct Showing {
    what: Shown,
    typed: String,
}

/// What is on the screen.
#[derive(Debug)]
enum Shown {
    /// The card of a question.
    Card(Box<ApprovalView>, Words),
    /// That the session ends soon, and the word that gives it more time.
    Ending(Ends, String),
}

/// The two ends.
pub(crate) fn attention(client: Client, heralds: Heralds) -> rustix::io::Result<(Bell, Attention)> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let shared = Arc::new(Shared {
        event,
        waiting: Mutex::default(),
        untold: AtomicBool::new(false),
        ending: Mutex::default(),
        ending_untold: AtomicBool::new(false),
        listening: Mutex::default(),
        heralds,
    });
    Ok((Bell(Arc::clone(&shared)), Attention { shared, client, showing: None }))
}

impl Bell {
    /// Something waits.
    pub(crate) fn ring(&self, approval: ApprovalId) {
        self.0.waiting().push_back(approval);
        self.0.untold.store(true, Ordering::Relaxed);
        self.0.wake();
        notify(self.0.heralds.clone(), WAITS);
    }

    /// The session's time is almost up.
    pub(crate) fn ends(&self, ends: Ends) {
        *self.0.ending() = Some(ends);
        self.0.ending_untold.store(true, Ordering::Relaxed);
        self.0.wake();
        notify(self.0.heralds.clone(), ENDS);
    }

    /// A program inside listens on this port.
    pub(crate) fn listens(&self, port: u16) {
        self.0.listening().push(port);
        self.0.wake();
    }
}

impl Shared {
    fn wake(&self) {
        // The counter cannot run over: it is read whenever it is not zero.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    fn ending(&self) -> MutexGuard<'_, Option<Ends>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listening(&self) -> MutexGuard<'_, Vec<u16>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<ApprovalId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Aside for Attention {
    fn events(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }

    fn tell(&mut self, screen: &mut Vec<u8>) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.shared.event, &mut count);
        for (untold, text) in [(&self.shared.untold, WAITS), (&self.shared.ending_untold, ENDS)] {
            if untold.swap(false, Ordering::Relaxed) {
                screen.extend_from_slice(format!("\x07\x1b]2;{text}\x1b\\").as_bytes());
                notification(text, screen);
            }
        }
        for port in self.shared.listening().drain(..) {
            notification(&format!("bailiwick: listens inside: {}", told(port)), screen);
        }
    }

    fn is_wanted(&self) -> bool {
        !self.shared.waiting().is_empty() || self.shared.ending().is_some()
    }

    fn open(&mut self, (rows, columns): (u16, u16), screen: &mut Vec<u8>) -> bool {
        let shown = match self.next() {
            Some((view, waiting)) => {
                let words = Words::new();
                let mut lines = card::lines(&view, (1, waiting), usize::from(columns));
                let room = usize::from(rows).saturating_sub(BELOW);
                if lines.len() > room {
                    lines.truncate(room);
                    lines.push(format!("  … more: bailiwick approval show {}", view.id));
                }
                lines.extend(words.lines());
                Some((lines, Shown::Card(Box::new(view), words)))
            }
            None => self.still_ending().map(|ends| {
                let word = Words::new().once().to_owned();
                (ending(&ends, &word), Shown::Ending(ends, word))
            }),
        };
        let Some((mut lines, what)) = shown else { return false };
        lines.push(String::new());
        lines.push("answer: ".to_owned());
        screen.extend_from_slice(lines.join("\r\n").as_bytes());
        self.showing = Some(Showing { what, typed: String::new() });
        true
    }

    fn typed(&mut self, keys: &[u8], screen: &mut Vec<u8>) -> bool {
        let Some(showing) = &mut self.showing else { return true };
        for key in keys {
            match key {
                b'\r' | b'\n' => {
                    self.answered();
                    return true;
                }
                // Ctrl-C, Ctrl-D, Ctrl-Z, Escape, Ctrl-]: no answer. What follows an escape is a key of some kind, not a word.
                0x03 | 0x04 | 0x1a | 0x1b | 0x1d => {
                    self.showing = None;
                    return true;
                }
                0x08 | 0x7f if showing.typed.pop().is_some() => screen.extend_from_slice(b"\x08 \x08"),
                0x20..=0x7e if showing.typed.len() < ANSWER => {
                    showing.typed.push(char::from(*key));
                    screen.push(*key);
                }
                _ => {}
            }
        }
        false
    }
}

impl Attention {
    /// The question that waits longest and still waits, and how many do.
    fn next(&mut self) -> Option<(ApprovalView, usize)> {
        let mut waiting = self.shared.waiting();
        while let Some(id) = waiting.front().copied() {
            match self.client.get::<ApprovalView>(&format!("/v1/approvals/{id}")) {
                Ok(view) if view.state == "open" => return Some((view, waiting.len())),
                Ok(_) | Err(_) => waiting.pop_front(),
            };
        }
        None
    }

    /// The end of the session, where it is still near.
    fn still_ending(&mut self) -> Option<Ends> {
        let ends = (*self.shared.ending())?;
        let view = self.client.get::<SessionView>(&format!("/v1/sessions/{}", ends.session)).ok()?;
        if view.ends_at <= ends.at {
            return Some(ends);
        }
        *self.shared.ending() = None;
        None
    }

    /// Refused or lost, it is as if nothing had been said: it waits on, and the key opens it again.
    fn answered(&mut self) {
        let Some(Showing { what, typed }) = self.showing.take() else { return };
        match what {
            Shown::Card(view, words) => {
                let Some((answer, scope)) = words.read(&typed) else { return };
                let request = AnswerRequest { answer, scope, digest: view.digest };
                if self.client.post::<Approval>(&format!("/v1/approvals/{}", view.id), &request).is_ok() {
                    self.shared.waiting().retain(|id| *id != view.id);
                }
            }
            Shown::Ending(ends, word) => {
                let path = format!("/v1/sessions/{}/extend", ends.session);
                if typed.trim() == word
                    && self.client.post::<SessionView>(&path, &ExtendRequest::default()).is_ok()
                {
                    *self.shared.ending() = None;
                }
            }
        }
    }
}

/// That the session ends, and what may be typed.
fn ending(ends: &Ends, word: &str) -> Vec<String> {
    vec![
        format!("── bailiwick asks: may this session go on? {}", ends.session),
        String::new(),
        format!("  ends    │ {}", ends.at),
        String::new(),
        format!("  {word}   yes, for as long again as it was given first"),
        "  else  it ends then".to_owned(),
    ]
}

/// As iTerm2 and urxvt know notifications: terminals that do not know one ignore it.
fn notification(text: &str, screen: &mut Vec<u8>) {
    screen.extend_from_slice(
        format!("\x1b]9;{text}\x1b\\\x1b]777;notify;bailiwick;{}\x1b\\", text.replace(';', ",")).as_bytes(),
    );
}

/// Tells the person elsewhere, where there is a way to. Nobody waits for it.
fn notify(heralds: Heralds, text: &'static str) {
    std::thread::spawn(move || {
        let is_set = |variable: &&str| std::env::var_os(variable).is_some();
        if let Some(tmux) = heralds.tmux.filter(|_| is_set(&"TMUX")) {
            say(&tmux, &["display-message", "-d", "5000", text]);
        }
        if let Some(notify) =
            heralds.notify_send.filter(|_| ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(is_set))
        {
            say(&notify, &["--app-name=bailiwick", text]);
        }
    });
}

fn say(program: &Path, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // One that fails tells nobody.
    let _ = command.status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_draws_attention_is_fixed_words() {
        for text in [WAITS, ENDS] {
            assert!(text.chars().all(|c| c.is_ascii_graphic() || c == ' '));
            // tmux would expand these.
            assert!(!text.contains(['#', '%', '$']));
        }
    }
}
