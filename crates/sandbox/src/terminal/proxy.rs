//! The foreground of a sandbox that has a terminal: one loop over the user's terminal, the master of the inner one, the
//! launcher's signals and the job's events, in which nothing blocks but the wait itself.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{OptionalActions, QueueSelector, Winsize, tcflush, tcsetattr, tcsetwinsize};

use super::ancestry::would_be_continued;
use super::aside::{Aside, has_key};
use super::queue::{Queue, Wrote};
use super::signals::{Asked, Signals};
use super::user::RawMode;
use super::{
    AllowList, Ending, InputFilter, Job, JobEvent, OutputFilter, Place, TerminalError, Unfiltered,
    UserTerminal,
};

/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// How long to wait before reading a master again on which nobody inside has the terminal open. A program may close all
/// its descriptors and open `/dev/tty` later; the kernel has no event for that.
const NOBODY_THERE: Duration = Duration::from_millis(50);

/// Output that has not arrived after this long was not on its way.
const QUIET: Duration = Duration::from_millis(50);

/// A terminal's answers that have not arrived after this long will not.
const ANSWERED: Duration = Duration::from_millis(200);

/// At the end, give up on output that neither arrives nor leaves for this long: the user's terminal is stuck.
const STUCK: Duration = Duration::from_secs(2);

/// Carries a terminal between a user and a sandbox.
#[derive(Debug)]
pub struct PtyProxy {
    master: OwnedFd,
    user: UserTerminal,
    output_filter: Box<dyn OutputFilter>,
    input_filter: Box<dyn InputFilter>,
    aside: Option<Box<dyn Aside>>,
    /// The terminal is turned aside: the program's output waits.
    turned: bool,
    grace: Duration,
    /// Where the program belongs when the launcher is in the foreground.
    place: Place,
    to_user: Queue,
    to_inside: Queue,
    raw: Option<RawMode>,
    /// What the program had set on the user's terminal is taken back, until it has the terminal again.
    left: bool,
    master_state: Master,
    asked_to_end: Option<(Signal, Instant)>,
    /// The user's terminal is gone.
    gone: bool,
}

/// Whether the other side of the master is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Master {
    Open,
    /// Nobody has the inner terminal open; look again at this time.
    Nobody(Instant),
}

/// How much output is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// All that was written by processes which have ended: wait for the last byte.
    All,
    /// What is on its way now; the writer may live, and write on.
    Some,
}

/// Which of the loop's descriptors have something.
#[derive(Debug, Default)]
struct Ready {
    user: bool,
    aside: bool,
    master_in: bool,
    master_out: bool,
    user_out: bool,
}

impl PtyProxy {
    /// Takes the master of the inner terminal and gives that terminal the size and settings of the user's. To be called
    /// before the program runs, whose own settings would be lost. The descriptor must not be shared: it is made non-blocking.
    ///
    /// # Errors
    /// When the master is not one, or the user's terminal is gone already.
    pub fn new(master: OwnedFd, user: UserTerminal) -> Result<Self, TerminalError> {
        let flags = fcntl_getfl(&master).map_err(TerminalError::doing("use the sandbox's terminal"))?;
        fcntl_setfl(&master, flags | OFlags::NONBLOCK)
            .map_err(TerminalError::doing("use the sandbox's terminal"))?;
        let settings = user.settings().map_err(TerminalError::doing("read the terminal's settings"))?;
        tcsetattr(&master, OptionalActions::Now, &settings)
            .map_err(TerminalError::doing("set up the sandbox's terminal"))?;
        let proxy = Self {
            master,
            user,
            output_filter: Box::<AllowList>::default(),
            input_filter: Box::new(Unfiltered),
            aside: None,
            turned: false,
            grace: Duration::from_secs(10),
            place: Place::Foreground,
            to_user: Queue::default(),
            to_inside: Queue::default(),
            raw: None,
            left: false,
            master_state: Master::Open,
            asked_to_end: None,
            gone: false,
        };
        proxy.copy_size();
        Ok(proxy)
    }

    /// Looks at what the program writes: [`AllowList`] unless set.
    #[must_use]
    pub fn filter_output(mut self, filter: Box<dyn OutputFilter>) -> Self {
        self.output_filter = filter;
        self
    }

    /// Looks at what the user types.
    #[must_use]
    pub fn filter_input(mut self, filter: Box<dyn InputFilter>) -> Self {
        self.input_filter = filter;
        self
    }

    /// What may want the person's attention.
    #[must_use]
    pub fn aside(mut self, aside: Box<dyn Aside>) -> Self {
        self.aside = Some(aside);
        self
    }

    /// How long the program has to end after a signal that would have ended the launcher. Ten seconds unless set.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Where the sandbox starts the program: [`StdioPlan::place`](super::StdioPlan::place). Foreground unless set.
    #[must_use]
    pub fn place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Runs until the program ends or has to. The user's terminal is as it was found when this returns, in every case.
    ///
    /// # Errors
    /// When signals cannot be taken over, or a descriptor cannot be waited for.
    pub fn run(mut self, job: &mut dyn Job) -> Result<Ending, TerminalError> {
        let mut signals = Signals::take()?;
        // The size may have changed between the copy in `new` and the moment from which we hear of it.
        self.copy_size();
        if self.place == Place::Foreground && self.user.is_ours_now() {
            self.attach()?;
        }
        let ending = loop {
            let ready = self.wait(&signals, Some(job), self.deadline())?;
            if let Some(ending) = self.heed_signals(&mut signals, job)? {
                break ending;
            }
            self.carry(&ready);
            if self.gone && self.asked_to_end.is_none() {
                self.ask_to_end(Signal::HUP, job)?;
            }
            match job.next_event().map_err(TerminalError::doing("hear from the sandbox"))? {
                Some(JobEvent::Exited) => break Ending::Exited,
                Some(JobEvent::Stopped(signal)) => self.program_stopped(signal, &mut signals, job)?,
                None => {}
            }
            if let Some((signal, until)) = self.asked_to_end
                && Instant::now() >= until
            {
                break if self.gone { Ending::TerminalGone } else { Ending::Signalled(signal) };
            }
        };
        let left = if ending == Ending::Exited { Left::All } else { Left::Some };
        self.finish_output(left, &mut signals)?;
        self.await_answers()?;
        // Gives the terminal back, and discards what was typed and not read.
        drop(self.raw.take());
        Ok(ending)
    }

    /// Waits until a descriptor whose bytes have somewhere to go is ready. Without a job it is the output's end that is
    /// waited for, and the user's keys are left alone.
    fn wait(
        &self,
        signals: &Signals,
        job: Option<&dyn Job>,
        until: Option<Instant>,
    ) -> Result<Ready, TerminalError> {
        let mut fds = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        if let Some(job) = job {
            fds.push(PollFd::from_borrowed_fd(job.events(), PollFlags::IN));
        }
        let aside = job.and(self.aside.as_ref());
        let aside_at =
            aside.map(|aside| push(&mut fds, PollFd::from_borrowed_fd(aside.events(), PollFlags::IN)));
        let mut master = PollFlags::empty();
        master.set(PollFlags::IN, self.to_user.has_room() && !self.turned);
        master.set(PollFlags::OUT, !self.to_inside.is_empty());
        let watch_master = self.master_state == Master::Open && !master.is_empty();
        let master_at = watch_master.then(|| push(&mut fds, PollFd::new(&self.master, master)));
        let reads = job.is_some() && self.raw.is_some() && self.to_inside.has_room() && !self.gone;
        let input = self.user.input().filter(|_| reads);
        let input_at = input.map(|fd| push(&mut fds, PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let writes = !self.to_user.is_empty() && !self.gone;
        let output_at =
            writes.then(|| push(&mut fds, PollFd::from_borrowed_fd(self.user.output(), PollFlags::OUT)));

        match poll(&mut fds, timeout_until(until).as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(errno) => return Err(TerminalError::doing("wait for the terminal")(errno)),
        }
        let at = |index: Option<usize>| index.map_or(PollFlags::empty(), |index| fds[index].revents());
        let looks_again = matches!(self.master_state, Master::Nobody(at) if Instant::now() >= at);
        Ok(Ready {
            user: !at(input_at).is_empty(),
            aside: !at(aside_at).is_empty(),
            master_in: !self.turned
                && ((!at(master_at).difference(PollFlags::OUT).is_empty() && self.to_user.has_room())
                    || looks_again),
            // A hang-up counts: the write that fails empties the queue.
            master_out: at(master_at).intersects(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR),
            user_out: !at(output_at).is_empty(),
        })
    }

    fn deadline(&self) -> Option<Instant> {
        let look_again = match self.master_state {
            Master::Open => None,
            Master::Nobody(at) => Some(at),
        };
        [look_again, self.asked_to_end.map(|(_, until)| until)].into_iter().flatten().min()
    }

    /// One read and one write in each direction that is ready. Returns whether anything moved.
    fn carry(&mut self, ready: &Ready) -> bool {
        if ready.aside
            && let Some(aside) = &mut self.aside
        {
            // In the background the terminal is somebody else's.
            let mut nowhere = Vec::new();
            aside.tell(if self.raw.is_some() { self.to_user.tail() } else { &mut nowhere });
        }
        let read_user = ready.user && self.read_user();
        let read_master = ready.master_in && self.read_master();
        // Straight through: what was just read can nearly always be written now.
        let wrote_inside = (ready.master_out || read_user) && self.write_inside();
        let wrote_user = (ready.user_out || read_master || ready.aside || self.turned) && self.write_user();
        read_user || read_master || wrote_inside || wrote_user
    }

    fn read_user(&mut self) -> bool {
        let Some(input) = self.user.input() else { return false };
        let mut chunk = [0; CHUNK];
        match rustix::io::read(input, &mut chunk) {
            Ok(0) => self.gone = true,
            Ok(count) => {
                let mut keys = Vec::with_capacity(count);
                self.output_filter.heard(&chunk[..count], &mut keys, self.to_inside.tail());
                if !self.turns(&keys) {
                    self.input_filter.typed(&keys, self.to_inside.tail(), self.to_user.tail());
                }
                return true;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.gone = true,
        }
        false
    }

    /// Whether `keys` are not the program's: the terminal is turned aside, or turns now.
    fn turns(&mut self, keys: &[u8]) -> bool {
        let Some(aside) = &mut self.aside else { return false };
        if self.turned {
            if aside.typed(keys, self.to_user.tail()) {
                self.turn_back();
            }
            return true;
        }
        if !aside.is_wanted() || !has_key(keys) {
            return false;
        }
        self.turned = true;
        self.output_filter.aside(self.to_user.tail());
        // What was typed before there was anything to read is no answer.
        if let Some(input) = self.user.input() {
            let _ = tcflush(input, QueueSelector::IFlush);
        }
        let size = self.user.size().map_or((24, 80), |size| (size.ws_row, size.ws_col));
        if !aside.open(size, self.to_user.tail()) {
            self.turn_back();
        }
        true
    }

    /// The program's screen again, which it paints anew where it has to.
    fn turn_back(&mut self) {
        self.turned = false;
        if self.output_filter.back(self.to_user.tail())
            && let Ok(size) = self.user.size()
        {
            // A size that does not change is no reason to paint.
            let _ = tcsetwinsize(&self.master, Winsize { ws_row: size.ws_row.saturating_sub(1), ..size });
        }
        self.copy_size();
    }

    fn read_master(&mut self) -> bool {
        let mut chunk = [0; CHUNK];
        match rustix::io::read(&self.master, &mut chunk) {
            Ok(0) | Err(Errno::IO) => {
                self.master_state = Master::Nobody(Instant::now() + NOBODY_THERE);
                false
            }
            Ok(count) => {
                self.master_state = Master::Open;
                self.output_filter.written(&chunk[..count], self.to_user.tail(), self.to_inside.tail());
                true
            }
            Err(_) => {
                self.master_state = Master::Open;
                false
            }
        }
    }

    fn write_user(&mut self) -> bool {
        if self.gone {
            self.to_user.clear();
            return false;
        }
        match self.to_user.write_to(self.user.output(), self.user.largest_write()) {
            Wrote::Some(count) => count > 0,
            Wrote::Gone => {
                self.gone = true;
                false
            }
        }
    }

    fn write_inside(&mut self) -> bool {
        match self.to_inside.write_to(&self.master, usize::MAX) {
            Wrote::Some(count) => count > 0,
            Wrote::Gone => {
                self.to_inside.clear();
                false
            }
        }
    }

    fn heed_signals(
        &mut self,
        signals: &mut Signals,
        job: &mut dyn Job,
    ) -> Result<Option<Ending>, TerminalError> {
        for asked in signals.arrived() {
            match asked {
                Asked::Resize => self.copy_size(),
                Asked::Continued => self.continued(job)?,
                Asked::Pass(signal) => {
                    job.signal(signal).map_err(TerminalError::doing("signal the sandbox"))?;
                }
                Asked::End(signal) if self.asked_to_end.is_some() => {
                    return Ok(Some(Ending::Signalled(signal)));
                }
                Asked::End(signal) => self.ask_to_end(signal, job)?,
                Asked::Die(signal) => return Ok(Some(Ending::Signalled(signal))),
            }
        }
        Ok(None)
    }

    fn ask_to_end(&mut self, signal: Signal, job: &mut dyn Job) -> Result<(), TerminalError> {
        self.asked_to_end = Some((signal, Instant::now() + self.grace));
        job.signal(signal).map_err(TerminalError::doing("signal the sandbox"))
    }

    /// The program stopped: either because it wants the keyboard that it does not have yet, or because the user (or the
    /// program itself) asked for it, in which case the launcher stops too and hands the terminal to the user's shell.
    fn program_stopped(
        &mut self,
        by: Signal,
        signals: &mut Signals,
        job: &mut dyn Job,
    ) -> Result<(), TerminalError> {
        let wants_keyboard = by == Signal::TTIN || by == Signal::TTOU;
        if wants_keyboard {
            self.place = Place::Foreground;
        }
        if wants_keyboard && self.user.is_ours_now() {
            self.attach()?;
            return job.resume(Place::Foreground).map_err(TerminalError::doing("continue the sandbox"));
        }
        self.finish_output(Left::Some, signals)?;
        self.master_state = Master::Open;
        self.detach();
        if would_be_continued() {
            // The rest of a pipeline stops as if by Ctrl-Z.
            kill_current_process_group(Signal::TSTP).map_err(TerminalError::doing("stop the launcher"))?;
            if let Some(signal) = signals.stop_until_continued()? {
                self.ask_to_end(signal, job)?;
            }
        }
        self.continued(job)
    }

    /// After a stop of ours: in the foreground the program goes on where it was, in the background without the keyboard.
    fn continued(&mut self, job: &mut dyn Job) -> Result<(), TerminalError> {
        self.copy_size();
        let place = if self.place == Place::Foreground && self.user.is_ours_now() {
            self.attach()?;
            Place::Foreground
        } else {
            self.detach();
            Place::Background
        };
        job.resume(place).map_err(TerminalError::doing("continue the sandbox"))
    }

    fn attach(&mut self) -> Result<(), TerminalError> {
        if std::mem::take(&mut self.left) {
            self.output_filter.enter(self.to_user.tail());
        }
        match &self.raw {
            Some(raw) => raw.apply(),
            None => {
                self.raw = Some(RawMode::enter(&self.user)?);
                Ok(())
            }
        }
    }

    fn detach(&mut self) {
        if let Some(raw) = self.raw.take() {
            raw.leave();
        }
    }

    /// Errors are not ours to report: a terminal that is gone shows when it is read.
    fn copy_size(&self) {
        if let Ok(size) = self.user.size() {
            let _ = tcsetwinsize(&self.master, size);
        }
    }

    /// Shows what is left of the output, and what the filter adds to leave the terminal tidy.
    fn finish_output(&mut self, left: Left, signals: &mut Signals) -> Result<(), TerminalError> {
        if self.turned {
            self.turn_back();
        }
        self.master_state = Master::Open;
        self.drain(left, signals)?;
        self.output_filter.leave(self.to_user.tail());
        self.left = true;
        self.master_state = Master::Nobody(Instant::now());
        self.drain(Left::Some, signals)?;
        self.to_user.clear();
        Ok(())
    }

    /// Takes what the terminal still has to answer out of the user's input: in the user's shell it would be typed text.
    fn await_answers(&mut self) -> Result<(), TerminalError> {
        let until = Instant::now() + ANSWERED;
        while self.raw.is_some() && !self.gone && self.output_filter.awaits_answer() && Instant::now() < until
        {
            let Some(input) = self.user.input() else { break };
            let mut fds = [PollFd::from_borrowed_fd(input, PollFlags::IN)];
            match poll(&mut fds, timeout_until(Some(until)).as_ref()) {
                Ok(1..) => {}
                Ok(0) | Err(Errno::INTR) => continue,
                Err(errno) => return Err(TerminalError::doing("wait for the terminal")(errno)),
            }
            let mut chunk = [0; CHUNK];
            match rustix::io::read(input, &mut chunk) {
                Ok(0) => break,
                Ok(count) => {
                    self.output_filter.heard(&chunk[..count], &mut Vec::new(), &mut Vec::new());
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Carries output until the inner terminal is closed on all sides (which the kernel reports only after the last byte
    /// was read) and everything is shown, or until nothing moves any more. Ended early by a signal that ends the launcher.
    fn drain(&mut self, left: Left, signals: &mut Signals) -> Result<(), TerminalError> {
        let started = Instant::now();
        let mut moved = started;
        while !self.gone && (self.master_state == Master::Open || !self.to_user.is_empty()) {
            let until = match left {
                Left::All => moved + STUCK,
                Left::Some => (moved + QUIET).min(started + STUCK),
            };
            if Instant::now() >= until {
                break;
            }
            let ready = self.wait(signals, None, Some(until))?;
            if self.carry(&ready) {
                moved = Instant::now();
            }
            if signals.arrived().iter().any(|asked| matches!(asked, Asked::End(_) | Asked::Die(_))) {
                break;
            }
        }
        Ok(())
    }
}

fn push<'a>(fds: &mut Vec<PollFd<'a>>, fd: PollFd<'a>) -> usize {
    fds.push(fd);
    fds.len() - 1
}

/// How long `poll` may wait for something due at `deadline`.
pub(super) fn timeout_until(deadline: Option<Instant>) -> Option<Timespec> {
    let left = deadline?.saturating_duration_since(Instant::now());
    // Rounded up by a millisecond, so that the wait does not end a moment early and spin.
    Timespec::try_from(left + Duration::from_millis(1)).ok()
}
