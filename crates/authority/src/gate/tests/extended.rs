//! More time for one session is none for those above it.

use super::*;

#[tokio::test]
async fn more_time_for_a_child_does_not_outlive_its_parent() {
    let bench = Bench::new(Duration::from_secs(600));
    let parent = bench.working_in(1, "/parent", None);
    let child = bench.working_in(2, "/child", Some(&parent));
    let ends = |session: &LiveSession| session.chain().unwrap().expires_at();
    let hour = Duration::from_secs(3600);
    let (before, later) = (ends(&parent), ends(&parent).after(hour));
    child.extend(later);
    assert_eq!((ends(&child), ends(&parent)), (before, before));
    parent.extend(later.after(hour));
    assert_eq!((ends(&child), ends(&parent)), (later, later.after(hour)));
}
