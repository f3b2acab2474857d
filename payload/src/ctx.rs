//! What a loop sees of its run.

use crate::workload::Work;

/// A worker's view.
#[derive(Debug)]
pub struct Ctx<'a> {
    /// The work.
    pub work: &'a Work,
}
