//! Schedulers without a program of their own, or with two instructions.
//!
//! A table of operations that has a name and nothing else is a scheduler: the
//! kernel then queues all tasks on one global queue. Where things are in the
//! table, the kernel's own types say.

use crate::attr::scx::BuiltIn;
use crate::kit::shm::Scratch;
use crate::sched_ext::btf::{Btf, Struct};
use crate::sys::bpf;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, read};

/// The kernel's types.
const TYPES: &str = "/sys/kernel/btf/vmlinux";
/// Longest table of operations with what the kernel puts in front of it.
const TABLE: usize = 4096;
/// `SCX_OPS_SWITCH_PARTIAL`: only tasks that ask for the class.
const SWITCH_PARTIAL: u64 = 1 << 3;
/// After this time without a turn for a task, the kernel throws out the
/// scheduler that never runs any.
const STALL_MS: u32 = 2000;
/// The operation that takes a task that wants to run.
const ENQUEUE: &str = "enqueue";

/// A call that failed.
pub type Failed = (&'static str, Errno);

/// Loads one. It is in use until the link that is returned is closed.
///
/// # Errors
///
/// The call that failed.
pub fn load(which: BuiltIn) -> Result<OwnedFd, Failed> {
    let mut file = kernel_types().map_err(|errno| (TYPES, errno))?;
    let lacks = (TYPES, Errno::NOENT);
    let table = Table::find(file.bytes()).ok_or(lacks)?;
    let mut value = [0; TABLE];
    let value = value.get_mut(..table.size as usize).ok_or(lacks)?;
    let mut put = |name: &str, bytes: &[u8]| {
        let (_, at) = table.member(name)?;
        let cell = value.get_mut(at..)?.get_mut(..bytes.len())?;
        cell.copy_from_slice(bytes);
        Some(())
    };
    put("name", which.name().as_bytes()).ok_or(lacks)?;
    if which.partial {
        let flags = SWITCH_PARTIAL.to_le_bytes();
        put("flags", &flags).ok_or(lacks)?;
    }
    let mut program = None;
    if which.stalls {
        let (member, _) = table.member(ENQUEUE).ok_or(lacks)?;
        let nothing = bpf::nothing(table.ops.id, member)
            .map_err(|errno| ("BPF_PROG_LOAD", errno))?;
        let number = nothing.as_raw_fd().to_le_bytes();
        program = Some(nothing);
        put(ENQUEUE, &number).ok_or(lacks)?;
        put("timeout_ms", &STALL_MS.to_le_bytes()).ok_or(lacks)?;
    }
    let types = bpf::types().map_err(|errno| ("BPF_BTF_LOAD", errno))?;
    let map = bpf::operations(types.as_fd(), table.id, table.size)
        .map_err(|errno| ("BPF_MAP_CREATE", errno))?;
    bpf::fill(map.as_fd(), value)
        .map_err(|errno| ("BPF_MAP_UPDATE_ELEM", errno))?;
    // From here on the map holds the program, and the link will the map.
    drop(program);
    bpf::link(map.as_fd()).map_err(|errno| ("BPF_LINK_CREATE", errno))
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

fn kernel_types() -> Result<Scratch, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(CWD, TYPES, flags, Mode::empty())?;
    let size = usize::try_from(fstat(&file)?.st_size).unwrap_or(0);
    let mut scratch = Scratch::new(size).ok_or(Errno::NOMEM)?;
    let mut rest = scratch.bytes();
    while !rest.is_empty() {
        let count = read(&file, &mut *rest)?;
        if count == 0 {
            break;
        }
        rest = rest.get_mut(count..).unwrap_or_default();
    }
    Ok(scratch)
}
