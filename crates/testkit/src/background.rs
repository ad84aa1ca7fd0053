//! The runtime behind all doubles, and the handle that stops one.
//!
//! Tests are plain functions as often as asynchronous ones, so the doubles bring their own runtime and never block a caller's.

use std::sync::OnceLock;

use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Stops a double, and every connection of it, when dropped.
#[derive(Debug)]
pub(crate) struct Stop {
    task: AbortHandle,
    _token: DropGuard,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Two threads shared by all doubles of a test binary.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("testkit")
            .enable_all()
            .build()
            .expect("starting the runtime of the test doubles")
    })
}

/// Runs a double until the handle is dropped; the token tells tasks that it spawned itself.
pub(crate) fn run<F>(double: impl FnOnce(CancellationToken) -> F) -> Stop
where
    F: Future<Output = ()> + Send + 'static,
{
    let token = CancellationToken::new();
    let task = runtime().spawn(double(token.clone())).abort_handle();
    Stop { task, _token: token.drop_guard() }
}
