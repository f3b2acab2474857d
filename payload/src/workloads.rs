//! All work types, and the rules their rows keep.

mod spin_wait;

use crate::workload::Workload;

/// Every work type, in the order of the catalogue.
pub static ALL: &[&Workload] = &[&spin_wait::WORKLOAD];

/// The work type of that exact name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Workload> {
    ALL.iter().copied().find(|row| row.name == name)
}
