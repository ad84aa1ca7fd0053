//! The `deadline` thread: whoever waits too long is refused, also while the disk hangs and the other threads with it.

use std::time::Instant;

use super::{
    AppendError,
    state::{Shared, State, Waiter},
};

pub(super) fn run(shared: &Shared) {
    let mut state = shared.state();
    while state.failed.is_none() && !(state.closing && state.synced_all) {
        let late = expired(&mut state, Instant::now());
        if !late.is_empty() {
            drop(state);
            for mut waiter in late {
                waiter.answer(Err(AppendError::Deadline(shared.options.deadline)));
            }
            state = shared.state();
            continue;
        }
        let next = earliest(&state);
        state.time_asleep = next.is_none();
        state = Shared::wait(&shared.to_time, state, next);
    }
}

/// Those whose time is up. What was not written yet never will be.
fn expired(state: &mut State, now: Instant) -> Vec<Waiter> {
    let mut late = Vec::new();
    while state.pending.front().is_some_and(|request| request.waiter.deadline <= now)
        && let Some(request) = state.pending.pop_front()
    {
        state.backlog = state.backlog.saturating_sub(request.body.len());
        late.push(request.waiter);
    }
    // These stay in their queues, for their places count there; only the answer is taken.
    for waiter in state.in_hand.iter_mut().chain(&mut state.waiting) {
        if waiter.deadline <= now && waiter.done.is_some() {
            late.push(Waiter { done: waiter.done.take(), ..*waiter });
        }
    }
    late
}

fn earliest(state: &State) -> Option<Instant> {
    let pending = state.pending.front().map(|request| request.waiter.deadline);
    let open = |waiter: &&Waiter| waiter.done.is_some();
    let in_hand = state.in_hand.iter().find(open).map(|waiter| waiter.deadline);
    let waiting = state.waiting.iter().find(open).map(|waiter| waiter.deadline);
    pending.into_iter().chain(in_hand).chain(waiting).min()
}
