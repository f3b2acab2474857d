//! What the kernel says of sched_ext.

use crate::kit::text::read_file;

/// Whether a sched_ext scheduler is loaded; that may change between runs.
#[must_use]
pub fn sched_ext_enabled() -> bool {
    let state = "/sys/kernel/sched_ext/state";
    read_file(state, &mut [0; 16]).is_some_and(|s| s.trim_ascii() == "enabled")
}
