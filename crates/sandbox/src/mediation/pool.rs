//! The threads that answer.
//!
//! One waits for the next call, and hands the waiting on before it answers: so a mediator that takes its time, or a connect
//! that hangs, holds one thread and nothing else. Threads are added while all are busy, up to a limit; one process inside may
//! only hold some of them. When no process under the filter is left, all end.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bailiwick_sandbox_sys::{Listener, Notification};

use super::connect::Connector;
use super::facts::ProcessFacts;
use crate::compile::CONNECT_ANSWER;

/// The most calls answered at once.
const THREADS: usize = 64;
/// The most calls of one process answered at once.
const PER_PROCESS: usize = 16;

/// The answering side of one sandbox.
#[derive(Debug)]
pub(crate) struct Pool {
    listener: Listener,
    connector: Connector,
    /// Until then, every connect is the self-test's.
    open: AtomicBool,
    turn: Mutex<()>,
    idle: AtomicUsize,
    threads: AtomicUsize,
    busy: Mutex<HashMap<u32, usize>>,
}

impl Pool {
    /// Starts answering: until [`open`](Self::open), only with the self-test's error number.
    pub(crate) fn start(listener: Listener, connector: Connector) -> io::Result<Arc<Self>> {
        let pool = Arc::new(Self {
            listener,
            connector,
            open: AtomicBool::new(false),
            turn: Mutex::new(()),
            idle: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
            busy: Mutex::new(HashMap::new()),
        });
        for _ in 0..2 {
            Self::add_thread(&pool)?;
        }
        Ok(pool)
    }

    /// The self-test is over: connects are real.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    fn add_thread(pool: &Arc<Self>) -> io::Result<()> {
        pool.threads.fetch_add(1, Ordering::SeqCst);
        let own = Arc::clone(pool);
        let started = thread::Builder::new().name("bailiwick-mediate".into()).spawn(move || own.run());
        if started.is_err() {
            pool.threads.fetch_sub(1, Ordering::SeqCst);
        }
        started.map(|_| ())
    }

    fn run(self: Arc<Self>) {
        while let Some(notification) = self.next() {
            let last = self.idle.fetch_sub(1, Ordering::SeqCst) == 1;
            if last && self.threads.load(Ordering::SeqCst) < THREADS {
                // Without another thread this call is answered first and the next one waits: slower, not wrong.
                let _ = Self::add_thread(&self);
            }
            self.handle(&notification);
        }
    }

    fn next(&self) -> Option<Notification> {
        self.idle.fetch_add(1, Ordering::SeqCst);
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.listener.receive().ok().flatten();
        drop(turn);
        next
    }

    fn handle(&self, notification: &Notification) {
        if !self.open.load(Ordering::SeqCst) {
            self.listener.answer(notification, Err(CONNECT_ANSWER));
            return;
        }
        let Ok(facts) = ProcessFacts::of(notification.thread) else {
            self.listener.answer(notification, Err(libc::EPERM));
            return;
        };
        let pid = facts.pid;
        if !self.enter(pid) {
            self.listener.answer(notification, Err(libc::EAGAIN));
            return;
        }
        let result = self.connector.answer(&self.listener, notification, facts);
        self.listener.answer(notification, result);
        self.leave(pid);
    }

    fn enter(&self, pid: u32) -> bool {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let count = busy.entry(pid).or_default();
        let room = *count < PER_PROCESS;
        if room {
            *count += 1;
        }
        room
    }

    fn leave(&self, pid: u32) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(&pid) {
            *count -= 1;
            if *count == 0 {
                busy.remove(&pid);
            }
        }
    }
}
