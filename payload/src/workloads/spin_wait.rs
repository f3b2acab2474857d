//! Pure CPU load.

use crate::workload::Workload;

pub(super) const WORKLOAD: Workload = Workload {
    name: "SpinWait",
    file: file!(),
    summary: "pure CPU load",
    ..Workload::BASE
};
