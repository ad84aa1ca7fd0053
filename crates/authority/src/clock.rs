//! The clock of the daemon: UTC that never goes back.
//!
//! The wall clock is read once; from then on time is what the kernel has counted since boot, suspend included (`CLOCK_BOOTTIME`,
//! clock_gettime(2)). Setting the clock back lengthens no session.

use std::time::Duration;

use bailiwick_core::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// A clock that never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started_at: Timestamp,
    started_boot: Duration,
}

impl Clock {
    /// Reads the wall clock, for the only time, and trusts that it is not before `floor`: the last moment on record.
    pub fn start(floor: Timestamp) -> Self {
        let wall = read(ClockId::Realtime);
        let wall = Timestamp::from_micros(i64::try_from(wall.as_micros()).unwrap_or(i64::MAX));
        Self { started_at: wall.max(floor), started_boot: read(ClockId::Boottime) }
    }

    /// The moment it is.
    pub fn now(&self) -> Timestamp {
        self.started_at.after(read(ClockId::Boottime).saturating_sub(self.started_boot))
    }

    /// A new UUIDv7 of this moment (RFC 9562 §5.7).
    pub fn uuid(&self) -> uuid::Uuid {
        let micros = u64::try_from(self.now().as_micros()).unwrap_or(0);
        let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1000;
        uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::timestamp::context::NoContext,
            micros / 1_000_000,
            nanos,
        ))
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_before_what_is_on_record() {
        let future = Timestamp::from_micros(i64::MAX / 2);
        let clock = Clock::start(future);
        let first = clock.now();
        assert!(first >= future && clock.now() >= first);
    }

    #[test]
    fn ids_sort_by_time() {
        let clock = Clock::start(Timestamp::default());
        let ids: Vec<_> = (0..3).map(|_| clock.uuid()).collect();
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }
}
