//! What QEMU offers to plugins.
//!
//! The names and arguments are those of QEMU's documentation ("QEMU TCG
//! Plugins", its section on the API). Version 1 of it, which QEMU 7.2 has, and
//! what is there since QEMU 9.1 (version 3) differ in where counters are: in
//! memory of the plugin's own, or in "scoreboards" of QEMU's, which have an
//! element for each CPU. Since version 7, which QEMU 11.1 has, what is called
//! back is not told the plugin, but has data of its own. All functions are
//! looked up by their names when the plugin is loaded, so that one file serves
//! all of them.

#![expect(unsafe_code, reason = "QEMU is C, and it is called here")]

use crate::counts::{Counter, Memory};
use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::mem::transmute_copy;
use core::ptr::{null_mut, with_exposed_provenance_mut};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

/// A plugin, as QEMU knows it.
pub(crate) type Id = u64;

/// QEMU and the machine.
#[repr(C)]
pub(crate) struct Info {
    _opaque: [u8; 0],
}

/// A block of instructions that is being translated.
#[repr(C)]
pub(crate) struct Tb {
    _opaque: [u8; 0],
}

/// An instruction of a block.
#[repr(C)]
pub(crate) struct Insn {
    _opaque: [u8; 0],
}

/// A 64-bit number in an element of a scoreboard.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    score: *mut c_void,
    offset: usize,
}

/// In versions before 7.
type OnTranslation = extern "C" fn(Id, *mut Tb);
/// Since.
type OnTranslationWithData = extern "C" fn(*mut Tb, *mut c_void);
/// What it is passed differs, and is not looked at.
type OnExit = extern "C" fn();
type OnExecution = extern "C" fn(c_uint, *mut c_void);

/// To add a constant to a counter.
const ADD: c_int = 0;
/// Loads and stores.
const READ_WRITE: c_int = 3;
/// What is called neither reads nor writes registers.
const NO_REGISTERS: c_int = 0;

/// Versions of the interface: without scoreboards, with them, and with data of
/// what is called back.
const VERSIONS: [c_int; 3] = [1, 3, 7];

/// The version that is spoken, an `int`. QEMU reads it when it has loaded the
/// file, which is when [`choose`] has set it.
#[unsafe(no_mangle)]
static qemu_plugin_version: AtomicI32 = AtomicI32::new(VERSIONS[0]);

/// Chooses the version by what the program that loads the file has.
extern "C" fn choose() {
    // A program does not say which versions it takes before it has read this
    // one; the last of these came with version 6, shortly before 7.
    for (name, version) in [
        (c"qemu_plugin_scoreboard_new", VERSIONS[1]),
        (c"qemu_plugin_set_pc", VERSIONS[2]),
    ] {
        if found(name).is_some() {
            qemu_plugin_version.store(version, Relaxed);
        }
    }
}

/// Called when the file is loaded.
#[used]
#[unsafe(link_section = ".init_array")]
static CHOOSE: extern "C" fn() = choose;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// A function of the program that loaded the plugin.
fn found(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends in a zero; no handle means the whole program.
    let found = unsafe { dlsym(null_mut(), name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// The same with its type.
///
/// # Safety
///
/// `F` is the type of a pointer to a function, and that of this one.
unsafe fn function<F: Copy>(name: &CStr) -> Result<F, String> {
    let found = found(name).ok_or_else(|| {
        let name = name.to_string_lossy();
        format!("this QEMU has no function {name}")
    })?;
    // SAFETY: a pointer to a function is as large as one to data here, and
    // the caller vouches for its type.
    Ok(unsafe { transmute_copy(&found) })
}

/// QEMU's functions.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    register_translation: Translation,
    register_exit: unsafe extern "C" fn(Id, OnExit, *mut c_void),
    tb_n_insns: unsafe extern "C" fn(*const Tb) -> usize,
    tb_get_insn: unsafe extern "C" fn(*const Tb, usize) -> *mut Insn,
    insn_vaddr: unsafe extern "C" fn(*const Insn) -> u64,
    insn_size: unsafe extern "C" fn(*const Insn) -> usize,
    exec_call: unsafe extern "C" fn(*mut Insn, OnExecution, c_int, *mut c_void),
    differs: Differs,
}

/// How translations are reported.
#[derive(Clone, Copy)]
enum Translation {
    ById(unsafe extern "C" fn(Id, OnTranslation)),
    WithData(unsafe extern "C" fn(Id, OnTranslationWithData, *mut c_void)),
}

impl Translation {
    /// Looks it up.
    fn load() -> Result<Self, String> {
        let name = c"qemu_plugin_register_vcpu_tb_trans_cb";
        match qemu_plugin_version.load(Relaxed) == VERSIONS[2] {
            // SAFETY: the type as version 7 has it.
            true => unsafe { function(name) }.map(Self::WithData),
            // SAFETY: the type as those before have it.
            false => unsafe { function(name) }.map(Self::ById),
        }
    }
}

/// What is not the same with scoreboards and without.
#[derive(Clone, Copy)]
enum Differs {
    Plain {
        insn_data: unsafe extern "C" fn(*const Insn) -> *const u8,
        exec_inline: unsafe extern "C" fn(*mut Insn, c_int, *mut c_void, u64),
        mem_inline:
            unsafe extern "C" fn(*mut Insn, c_int, c_int, *mut c_void, u64),
    },
    Boards {
        insn_data: unsafe extern "C" fn(*const Insn, *mut u8, usize) -> usize,
        exec_inline: unsafe extern "C" fn(*mut Insn, c_int, Entry, u64),
        mem_inline: unsafe extern "C" fn(*mut Insn, c_int, c_int, Entry, u64),
        new: unsafe extern "C" fn(usize) -> *mut c_void,
        sum: unsafe extern "C" fn(Entry) -> u64,
        set: unsafe extern "C" fn(Entry, c_uint, u64),
        cpus: unsafe extern "C" fn() -> c_int,
    },
}

impl Differs {
    /// Looks them up.
    #[expect(
        clippy::multiple_unsafe_ops_per_block,
        reason = "each is the same look-up, of another name"
    )]
    fn load() -> Result<Self, String> {
        if qemu_plugin_version.load(Relaxed) == VERSIONS[0] {
            // SAFETY: types as version 1 has them.
            return unsafe {
                Ok(Self::Plain {
                    insn_data: function(c"qemu_plugin_insn_data")?,
                    exec_inline: function(
                        c"qemu_plugin_register_vcpu_insn_exec_inline",
                    )?,
                    mem_inline: function(
                        c"qemu_plugin_register_vcpu_mem_inline",
                    )?,
                })
            };
        }
        // SAFETY: types as version 3 and later have them.
        unsafe {
            Ok(Self::Boards {
                insn_data: function(c"qemu_plugin_insn_data")?,
                exec_inline: function(
                    c"qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu",
                )?,
                mem_inline: function(
                    c"qemu_plugin_register_vcpu_mem_inline_per_vcpu",
                )?,
                new: function(c"qemu_plugin_scoreboard_new")?,
                sum: function(c"qemu_plugin_u64_sum")?,
                set: function(c"qemu_plugin_u64_set")?,
                cpus: function(c"qemu_plugin_num_vcpus")?,
            })
        }
    }
}

impl Api {
    /// Looks all of them up.
    #[expect(
        clippy::multiple_unsafe_ops_per_block,
        reason = "each is the same look-up, of another name"
    )]
    pub(crate) fn load() -> Result<Self, String> {
        let differs = Differs::load()?;
        let register_translation = Translation::load()?;
        // SAFETY: types as all versions have them.
        unsafe {
            Ok(Self {
                register_translation,
                register_exit: function(c"qemu_plugin_register_atexit_cb")?,
                tb_n_insns: function(c"qemu_plugin_tb_n_insns")?,
                tb_get_insn: function(c"qemu_plugin_tb_get_insn")?,
                insn_vaddr: function(c"qemu_plugin_insn_vaddr")?,
                insn_size: function(c"qemu_plugin_insn_size")?,
                exec_call: function(c"qemu_plugin_register_vcpu_insn_exec_cb")?,
                differs,
            })
        }
    }

    /// Has one of these called for every block that is translated.
    pub(crate) fn on_translation(
        &self,
        id: Id,
        call: OnTranslation,
        with_data: OnTranslationWithData,
    ) {
        match self.register_translation {
            // SAFETY: a function that lives as long as the plugin.
            Translation::ById(register) => unsafe { register(id, call) },
            // SAFETY: the same; its data is not looked at.
            Translation::WithData(register) => unsafe {
                register(id, with_data, null_mut());
            },
        }
    }

    /// Has this called when QEMU ends.
    pub(crate) fn on_exit(&self, id: Id, call: OnExit) {
        // SAFETY: a function that lives as long as the plugin.
        unsafe { (self.register_exit)(id, call, null_mut()) }
    }

    /// The instructions of a block, in order.
    pub(crate) fn insns(&self, block: *const Tb) -> Vec<*mut Insn> {
        // SAFETY: QEMU passed the block, and translates it now.
        let count = unsafe { (self.tb_n_insns)(block) };
        // SAFETY: the same, and the index is below the count.
        let insn = |at| unsafe { (self.tb_get_insn)(block, at) };
        (0..count).map(insn).collect()
    }

    /// Where an instruction is.
    pub(crate) fn address(&self, insn: *const Insn) -> u64 {
        // SAFETY: QEMU passed it with the block that it translates now.
        unsafe { (self.insn_vaddr)(insn) }
    }

    /// Its bytes.
    pub(crate) fn bytes(&self, insn: *const Insn) -> Vec<u8> {
        // SAFETY: QEMU passed it with the block that it translates now.
        let size = unsafe { (self.insn_size)(insn) };
        let mut bytes = vec![0; size];
        match self.differs {
            Differs::Plain { insn_data, .. } => {
                // SAFETY: as above.
                let data = unsafe { insn_data(insn) };
                // SAFETY: that many bytes, until the translation is over.
                let data = unsafe { core::slice::from_raw_parts(data, size) };
                bytes.copy_from_slice(data);
            }
            Differs::Boards { insn_data, .. } => {
                // SAFETY: as above, and there is room for so many.
                let got = unsafe { insn_data(insn, bytes.as_mut_ptr(), size) };
                bytes.truncate(got);
            }
        }
        bytes
    }

    /// Has this called whenever the instruction is begun.
    pub(crate) fn call_before(&self, insn: *mut Insn, call: OnExecution) {
        // SAFETY: a function that lives as long as the plugin.
        unsafe { (self.exec_call)(insn, call, NO_REGISTERS, null_mut()) }
    }
}

/// Counters, wherever QEMU wants them to be; they stay for as long as it runs.
pub(crate) struct Board {
    api: Api,
    plain: Vec<&'static [AtomicU64]>,
    /// Addresses of scoreboards.
    boards: Vec<usize>,
}

impl Board {
    /// Without any.
    pub(crate) fn new(api: Api) -> Self {
        Self {
            api,
            plain: Vec::new(),
            boards: Vec::new(),
        }
    }

    fn plain(&self, counter: Counter) -> &'static AtomicU64 {
        &self.plain[counter.chunk][counter.at]
    }

    fn entry(&self, counter: Counter) -> Entry {
        Entry {
            score: with_exposed_provenance_mut(self.boards[counter.chunk]),
            offset: counter.at * size_of::<u64>(),
        }
    }

    /// Adds 1 to a counter whenever the instruction is begun.
    pub(crate) fn count_executions(&self, insn: *mut Insn, counter: Counter) {
        match self.api.differs {
            Differs::Plain { exec_inline, .. } => {
                let counter = self.plain(counter).as_ptr().cast();
                // SAFETY: the counter stays, and one thread adds to it.
                unsafe { exec_inline(insn, ADD, counter, 1) }
            }
            Differs::Boards { exec_inline, .. } => {
                // SAFETY: the scoreboard stays, and the entry is in it.
                unsafe { exec_inline(insn, ADD, self.entry(counter), 1) }
            }
        }
    }

    /// Adds 1 to a counter whenever the instruction has accessed memory.
    pub(crate) fn count_accesses(&self, insn: *mut Insn, counter: Counter) {
        match self.api.differs {
            Differs::Plain { mem_inline, .. } => {
                let counter = self.plain(counter).as_ptr().cast();
                // SAFETY: the counter stays, and one thread adds to it.
                unsafe { mem_inline(insn, READ_WRITE, ADD, counter, 1) }
            }
            Differs::Boards { mem_inline, .. } => {
                let entry = self.entry(counter);
                // SAFETY: the scoreboard stays, and the entry is in it.
                unsafe { mem_inline(insn, READ_WRITE, ADD, entry, 1) }
            }
        }
    }
}

impl Memory for Board {
    fn allocate(&mut self, counters: usize) {
        match self.api.differs {
            Differs::Plain { .. } => {
                let new = (0..counters).map(|_| AtomicU64::new(0));
                self.plain.push(Box::leak(new.collect()));
            }
            Differs::Boards { new, .. } => {
                // SAFETY: a size is all it takes; its memory is zeros.
                let board = unsafe { new(counters * size_of::<u64>()) };
                self.boards.push(board.expose_provenance());
            }
        }
    }

    fn get(&self, counter: Counter) -> u64 {
        match self.api.differs {
            Differs::Plain { .. } => self.plain(counter).load(Relaxed),
            // SAFETY: the scoreboard stays, and the entry is in it.
            Differs::Boards { sum, .. } => unsafe { sum(self.entry(counter)) },
        }
    }

    fn clear(&self, counter: Counter) {
        match self.api.differs {
            Differs::Plain { .. } => self.plain(counter).store(0, Relaxed),
            Differs::Boards { set, cpus, .. } => {
                // SAFETY: it takes nothing.
                let cpus = unsafe { cpus() };
                for cpu in 0..c_uint::try_from(cpus).unwrap_or(0) {
                    // SAFETY: the entry and the CPU are there.
                    unsafe { set(self.entry(counter), cpu, 0) }
                }
            }
        }
    }
}
