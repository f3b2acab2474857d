//! Schedulers without a program of their own, or with two instructions.
//!
//! A table of operations that has a name and nothing else is a scheduler: the
//! kernel then queues all tasks on one global queue. Where things are in the
//! table, the kernel's own types say.

use crate::kit::shm::Scratch;
use crate::kit::text::read_bytes;
use crate::row::attr::scx::BuiltIn;
use crate::run::sched_ext::btf::{Btf, Struct};
use crate::sys::bpf;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;

/// The kernel's types.
const TYPES: &str = "/sys/kernel/btf/vmlinux";
/// More bytes than any kernel has of them.
const MOST_TYPES: usize = 32 << 20;
/// Longest table of operations with what the kernel puts in front of it.
const TABLE: usize = 4096;
/// `SCX_OPS_SWITCH_PARTIAL`: only tasks that ask for the class.
const SWITCH_PARTIAL: u64 = 1 << 3;
/// After this time without a turn for a task, the kernel throws out the
/// scheduler that never runs any.
const STALL_MS: u32 = 2000;
/// The operation that takes a task that wants to run.
const ENQUEUE: &str = "enqueue";

/// Loads one. It is in use until the link that is returned is closed.
///
/// # Errors
///
/// The call that failed.
pub fn load(which: BuiltIn) -> Result<OwnedFd, (&'static str, Errno)> {
    let mut step = TYPES;
    load_in_steps(which, &mut step).map_err(|errno| (step, errno))
}

fn load_in_steps(
    which: BuiltIn,
    step: &mut &'static str,
) -> Result<OwnedFd, Errno> {
    let lacks = Errno::NOENT;
    let mut types = Scratch::new(MOST_TYPES).ok_or(Errno::NOMEM)?;
    let types = read_bytes(TYPES, types.bytes()).ok_or(lacks)?;
    let table = Table::find(types).ok_or(lacks)?;
    let mut value = [0; TABLE];
    let value = value.get_mut(..table.size as usize).ok_or(lacks)?;
    let program = match which.stalls {
        true => {
            let (member, _) = table.member(ENQUEUE).ok_or(lacks)?;
            *step = "BPF_PROG_LOAD";
            Some(bpf::nothing(table.ops.id, member)?)
        }
        false => None,
    };
    // What is 0 is as if it had not been mentioned.
    let flags = if which.partial { SWITCH_PARTIAL } else { 0 };
    let timeout_ms = if which.stalls { STALL_MS } else { 0 };
    let enqueue = program.as_ref().map_or(0, AsRawFd::as_raw_fd);
    for (name, bytes) in [
        ("name", which.name().as_bytes()),
        ("flags", &flags.to_le_bytes()),
        ("timeout_ms", &timeout_ms.to_le_bytes()),
        (ENQUEUE, &enqueue.to_le_bytes()),
    ] {
        let at = table.member(name).map(|(_, at)| at..at + bytes.len());
        let cell = at.and_then(|at| value.get_mut(at)).ok_or(lacks)?;
        cell.copy_from_slice(bytes);
    }
    *step = "BPF_BTF_LOAD";
    let types = bpf::types()?;
    *step = "BPF_MAP_CREATE";
    let map = bpf::operations(types.as_fd(), table.id, table.size)?;
    *step = "BPF_MAP_UPDATE_ELEM";
    bpf::fill(map.as_fd(), value)?;
    // From here on the map holds the program, and the link will the map.
    *step = "BPF_LINK_CREATE";
    bpf::link(map.as_fd())
}

/// The operations, and what is in front of them where they are filled in.
struct Table<'b> {
    ops: Struct<'b>,
    /// Where they are in the whole.
    data: usize,
    /// The type of the whole.
    id: u32,
    /// Size of the whole.
    size: u32,
}

impl<'b> Table<'b> {
    fn find(types: &'b [u8]) -> Option<Self> {
        let types = Btf::new(types)?;
        let whole = types.structure("bpf_struct_ops_sched_ext_ops")?;
        let (_, data) = whole.member("data")?;
        Some(Self {
            ops: types.structure("sched_ext_ops")?,
            data,
            id: whole.id,
            size: whole.size,
        })
    }

    /// The number of an operation, and its offset in the whole.
    fn member(&self, name: &str) -> Option<(u32, usize)> {
        let (index, at) = self.ops.member(name)?;
        Some((index, self.data.checked_add(at)?))
    }
}
