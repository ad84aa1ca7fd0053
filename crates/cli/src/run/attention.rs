//! The person at the agent's terminal: told that something waits, and shown the card when Ctrl-] is pressed.
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
use bailiwick_sandbox::terminal::Aside;
use bailiwick_wire::{AnswerRequest, ApprovalView};
use rustix::event::{EventfdFlags, eventfd};

use super::listening::told;
use crate::card::{self, Words};

/// What is said where more than a bell is heard.
const WAITS: &str = "bailiwick: something waits for your yes (Ctrl-] at the agent, or: bailiwick approve)";
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

/// A card that is on the screen.
#[derive(Debug)]
struct Showing {
    view: ApprovalView,
    words: Words,
    typed: String,
}

/// The two ends.
pub(crate) fn attention(client: Client, heralds: Heralds) -> rustix::io::Result<(Bell, Attention)> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let shared = Arc::new(Shared {
        event,
        waiting: Mutex::default(),
        untold: AtomicBool::new(false),
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
        notify(self.0.heralds.clone());
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
        if self.shared.untold.swap(false, Ordering::Relaxed) {
            screen.extend_from_slice(format!("\x07\x1b]2;{WAITS}\x1b\\").as_bytes());
            notification(WAITS, screen);
        }
        for port in self.shared.listening().drain(..) {
            notification(&format!("bailiwick: listens inside: {}", told(port)), screen);
        }
    }

    fn is_wanted(&self) -> bool {
        !self.shared.waiting().is_empty()
    }

    fn open(&mut self, (rows, columns): (u16, u16), screen: &mut Vec<u8>) -> bool {
        let Some((view, waiting)) = self.next() else { return false };
        let words = Words::new();
        let mut lines = card::lines(&view, (1, waiting), usize::from(columns));
        let room = usize::from(rows).saturating_sub(BELOW);
        if lines.len() > room {
            lines.truncate(room);
            lines.push(format!("  … more: bailiwick approval show {}", view.id));
        }
        lines.extend(words.lines());
        lines.push(String::new());
        lines.push("answer: ".to_owned());
        screen.extend_from_slice(lines.join("\r\n").as_bytes());
        self.showing = Some(Showing { view, words, typed: String::new() });
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

    fn answered(&mut self) {
        let Some(Showing { view, words, typed }) = self.showing.take() else { return };
        let Some((answer, scope)) = words.read(&typed) else { return };
        let request = AnswerRequest { answer, scope, digest: view.digest };
        let path = format!("/v1/approvals/{}", view.id);
        // Refused or lost, it is as if nothing had been said: it waits on, and the key opens it again.
        if self.client.post::<Approval>(&path, &request).is_ok() {
            self.shared.waiting().retain(|id| *id != view.id);
        }
    }
}

/// As iTerm2 and urxvt know notifications: terminals that do not know one ignore it.
fn notification(text: &str, screen: &mut Vec<u8>) {
    screen.extend_from_slice(
        format!("\x1b]9;{text}\x1b\\\x1b]777;notify;bailiwick;{}\x1b\\", text.replace(';', ",")).as_bytes(),
    );
}

/// Tells the person elsewhere, where there is a way to. Nobody waits for it.
fn notify(heralds: Heralds) {
    std::thread::spawn(move || {
        let is_set = |variable: &&str| std::env::var_os(variable).is_some();
        if let Some(tmux) = heralds.tmux.filter(|_| is_set(&"TMUX")) {
            say(&tmux, &["display-message", "-d", "5000", WAITS]);
        }
        if let Some(notify) =
            heralds.notify_send.filter(|_| ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(is_set))
        {
            say(&notify, &["--app-name=bailiwick", WAITS]);
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
        assert!(WAITS.chars().all(|c| c.is_ascii_graphic() || c == ' '));
        // tmux would expand these.
        assert!(!WAITS.contains(['#', '%', '$']));
    }
}
