//! A plugin of QEMU that counts the instructions a machine executes.
//!
//! It is loaded by `xtask boot --profile` into deterministic machines, whose
//! CPUs are one thread of QEMU's: translated code adds to counters without
//! calling anybody. What it counts, and the file it writes, are in `counts`;
//! what QEMU offers is in `api`.
//!
//! A guest cannot notice it: its time is the number of its instructions.

mod api;
mod counts;

use crate::api::{Api, Board, Id, Info, Insn, Tb};
use crate::counts::{Counts, Edge, Instruction, Options};
use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::io::{Write, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All that the plugin holds, from its installation on.
struct Plugin {
    api: Api,
    counts: Counts<Board>,
}

static PLUGIN: Mutex<Option<Plugin>> = Mutex::new(None);

fn plugin() -> MutexGuard<'static, Option<Plugin>> {
    PLUGIN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What QEMU calls when it has loaded the plugin; other than 0, it ends.
#[expect(unsafe_code, reason = "QEMU calls it by its name")]
#[unsafe(no_mangle)]
extern "C" fn qemu_plugin_install(
    id: Id,
    _info: *const Info,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    let argv = match count {
        0 => &[],
        // SAFETY: QEMU passes `argc` strings.
        _ => unsafe { core::slice::from_raw_parts(argv, count) },
    };
    let words = argv.iter().map(|&word| {
        // SAFETY: each of them ends in a zero.
        let word = unsafe { CStr::from_ptr(word) };
        word.to_string_lossy().into_owned()
    });
    let words: Vec<String> = words.collect();
    match install(id, &words) {
        Ok(()) => 0,
        Err(why) => {
            say(&why);
            1
        }
    }
}

fn install(id: Id, words: &[String]) -> Result<(), String> {
    let api = Api::load()?;
    let counts = Counts::new(Options::parse(words)?, Board::new(api))?;
    api.on_translation(id, translated_of, translated_with);
    api.on_exit(id, ended);
    *plugin() = Some(Plugin { api, counts });
    Ok(())
}

extern "C" fn translated_of(_id: Id, block: *mut Tb) {
    translated(block);
}

extern "C" fn translated_with(block: *mut Tb, _data: *mut c_void) {
    translated(block);
}

/// A block was translated, and waits to be told what to count.
fn translated(block: *mut Tb) {
    let mut held = plugin();
    let Some(Plugin { api, counts }) = held.as_mut() else {
        return;
    };
    let insns: Vec<*mut Insn> = api.insns(block);
    let of = |insn: &*mut Insn| Instruction {
        address: api.address(*insn),
        bytes: api.bytes(*insn),
    };
    let known: Vec<Instruction> = insns.iter().map(of).collect();
    let counters = counts.block(&known);
    for (at, &insn) in insns.iter().enumerate() {
        counts.memory.count_executions(insn, counters.executed(at));
    }
    if let (Some(&insn), Some(counter)) = (insns.last(), counters.accesses) {
        counts.memory.count_accesses(insn, counter);
    }
    for (&insn, known) in insns.iter().zip(&known) {
        match counts.edge(known) {
            Some(Edge::Begin) => api.call_before(insn, begun),
            Some(Edge::End) => api.call_before(insn, over),
            None => {}
        }
    }
}

extern "C" fn begun(_cpu: c_uint, _data: *mut c_void) {
    if let Some(plugin) = plugin().as_mut() {
        plugin.counts.begin();
    }
}

extern "C" fn over(_cpu: c_uint, _data: *mut c_void) {
    if let Some(plugin) = plugin().as_mut() {
        plugin.counts.end();
    }
}

extern "C" fn ended() {
    if let Some(plugin) = plugin().as_mut()
        && let Err(why) = plugin.counts.finish()
    {
        say(&why);
    }
}

/// On QEMU's standard error.
fn say(why: &str) {
    // Whoever does not listen is told by the file that is missing.
    let _told = writeln!(stderr(), "pidone-plugin: {why}");
}
