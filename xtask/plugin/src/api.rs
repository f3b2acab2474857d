//! What QEMU offers to plugins.
//!
//! The names and arguments are those of QEMU's documentation ("QEMU TCG
//! Plugins", its section on the API). All functions are looked up by name when
//! the plugin is loaded, since later releases have others: from 9.0 on,
//! counters are in memory that QEMU allocates for each CPU (a "scoreboard").

#![expect(unsafe_code, reason = "QEMU is C, and it is called here")]

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::mem::transmute_copy;
use core::sync::atomic::AtomicU64;

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

type OnTranslation = extern "C" fn(Id, *mut Tb);
type OnExit = extern "C" fn(Id, *mut c_void);
type OnExecution = extern "C" fn(c_uint, *mut c_void);

/// To add a constant to a counter.
const ADD: c_int = 0;
/// Loads and stores.
const READ_WRITE: c_int = 3;
/// What is called neither reads nor writes registers.
const NO_REGISTERS: c_int = 0;

/// The version of the interface that is spoken; QEMU reads it before it calls
/// anything.
#[unsafe(no_mangle)]
static qemu_plugin_version: c_int = 1;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// QEMU's functions.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    register_translation: unsafe extern "C" fn(Id, OnTranslation),
    register_exit: unsafe extern "C" fn(Id, OnExit, *mut c_void),
    tb_n_insns: unsafe extern "C" fn(*const Tb) -> usize,
    tb_get_insn: unsafe extern "C" fn(*const Tb, usize) -> *mut Insn,
    insn_vaddr: unsafe extern "C" fn(*const Insn) -> u64,
    insn_size: unsafe extern "C" fn(*const Insn) -> usize,
    insn_data: unsafe extern "C" fn(*const Insn) -> *const u8,
    exec_inline: unsafe extern "C" fn(*mut Insn, c_int, *mut c_void, u64),
    mem_inline: unsafe extern "C" fn(*mut Insn, c_int, c_int, *mut c_void, u64),
    exec_call: unsafe extern "C" fn(*mut Insn, OnExecution, c_int, *mut c_void),
}

/// A function of the program that loaded the plugin.
///
/// # Safety
///
/// `F` is the type of a pointer to a function, and that of this one.
unsafe fn function<F: Copy>(name: &CStr) -> Result<F, String> {
    // SAFETY: the name ends in a zero; no handle means the whole program.
    let found = unsafe { dlsym(core::ptr::null_mut(), name.as_ptr()) };
    if found.is_null() {
        let name = name.to_string_lossy();
        return Err(format!("this QEMU has no function {name}"));
    }
    // SAFETY: a pointer to a function is as large as one to data here, and
    // the caller vouches for its type.
    Ok(unsafe { transmute_copy(&found) })
}

impl Api {
    /// Looks all of them up.
    pub(crate) fn load() -> Result<Self, String> {
        // SAFETY: types as QEMU's documentation has them, for version 1.
        unsafe {
            Ok(Self {
                register_translation: function(
                    c"qemu_plugin_register_vcpu_tb_trans_cb",
                )?,
                register_exit: function(c"qemu_plugin_register_atexit_cb")?,
                tb_n_insns: function(c"qemu_plugin_tb_n_insns")?,
                tb_get_insn: function(c"qemu_plugin_tb_get_insn")?,
                insn_vaddr: function(c"qemu_plugin_insn_vaddr")?,
                insn_size: function(c"qemu_plugin_insn_size")?,
                insn_data: function(c"qemu_plugin_insn_data")?,
                exec_inline: function(
                    c"qemu_plugin_register_vcpu_insn_exec_inline",
                )?,
                mem_inline: function(c"qemu_plugin_register_vcpu_mem_inline")?,
                exec_call: function(c"qemu_plugin_register_vcpu_insn_exec_cb")?,
            })
        }
    }

    /// Has this called for every block that is translated.
    pub(crate) fn on_translation(&self, id: Id, call: OnTranslation) {
        // SAFETY: a function that lives as long as the plugin.
        unsafe { (self.register_translation)(id, call) }
    }

    /// Has this called when QEMU ends.
    pub(crate) fn on_exit(&self, id: Id, call: OnExit) {
        // SAFETY: a function that lives as long as the plugin.
        unsafe { (self.register_exit)(id, call, core::ptr::null_mut()) }
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
        let (data, size) =
            unsafe { ((self.insn_data)(insn), (self.insn_size)(insn)) };
        // SAFETY: that many bytes, which stay until the translation is over.
        unsafe { core::slice::from_raw_parts(data, size) }.to_vec()
    }

    /// Adds 1 to a counter whenever the instruction is begun.
    pub(crate) fn count_executions(
        &self,
        insn: *mut Insn,
        counter: &'static AtomicU64,
    ) {
        // SAFETY: the counter stays, and one thread adds to it.
        unsafe { (self.exec_inline)(insn, ADD, counter.as_ptr().cast(), 1) }
    }

    /// Adds 1 to a counter whenever the instruction has accessed memory.
    pub(crate) fn count_accesses(
        &self,
        insn: *mut Insn,
        counter: &'static AtomicU64,
    ) {
        let counter = counter.as_ptr().cast();
        // SAFETY: the counter stays, and one thread adds to it.
        unsafe { (self.mem_inline)(insn, READ_WRITE, ADD, counter, 1) }
    }

    /// Has this called whenever the instruction is begun.
    pub(crate) fn call_before(&self, insn: *mut Insn, call: OnExecution) {
        let none = core::ptr::null_mut();
        // SAFETY: a function that lives as long as the plugin.
        unsafe { (self.exec_call)(insn, call, NO_REGISTERS, none) }
    }
}
