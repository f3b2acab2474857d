//! Memory nodes as sysfs tells of them.

use crate::kit::cpus::Cpus;
use crate::kit::text::{path, read_file};

/// Nodes that are online; node 0 alone where the kernel has no NUMA.
#[must_use]
pub fn online() -> Cpus {
    let mut buf = [0; 256];
    let list = read_file("/sys/devices/system/node/online", &mut buf);
    list.and_then(|list| Cpus::parse(list.trim()))
        .unwrap_or_else(|| {
            let mut zero = Cpus::EMPTY;
            let _fits = zero.insert(0);
            zero
        })
}

/// CPUs of a node; none if there is no such node, or it has memory only.
#[must_use]
pub fn cpus_of(node: u32) -> Cpus {
    let mut buf = [0; 1024];
    let file = format_args!("/sys/devices/system/node/node{node}/cpulist");
    let list = read_file(&path(file), &mut buf);
    list.and_then(|list| Cpus::parse(list.trim()))
        .unwrap_or_default()
}
