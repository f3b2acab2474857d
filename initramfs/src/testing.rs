//! Files for tests, among them small ELF files: enough of one for a loader to
//! see what it needs.

use object::elf;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file, and makes the directories it is in.
pub(crate) fn write(path: &Path, mode: u32, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, mode).unwrap();
}

/// An ELF file to be; empty texts are left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    pub(crate) machine: elf::Machine,
    pub(crate) interpreter: &'static str,
    pub(crate) soname: &'static str,
    pub(crate) needed: &'static [&'static str],
    pub(crate) rpath: &'static str,
    pub(crate) runpath: &'static str,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            machine: elf::EM_X86_64,
            interpreter: "",
            soname: "",
            needed: &[],
            rpath: "",
            runpath: "",
        }
    }
}

const HEADER: usize = 64;
const SEGMENT: usize = 56;

impl Build {
    /// The file: header, segments, strings, dynamic section.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let base = HEADER + 3 * SEGMENT;
        let mut strings = vec![0];
        let mut string = |text: &str| {
            let at = strings.len();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at
        };
        let interpreter = base + string(self.interpreter);
        let mut dynamic = vec![(elf::DT_STRTAB, base)];
        for name in self.needed {
            dynamic.push((elf::DT_NEEDED, string(name)));
        }
        for (tag, text) in [
            (elf::DT_SONAME, self.soname),
            (elf::DT_RPATH, self.rpath),
            (elf::DT_RUNPATH, self.runpath),
        ] {
            if !text.is_empty() {
                dynamic.push((tag, string(text)));
            }
        }
        dynamic.push((elf::DT_NULL, 0));
        let dynamic_at = (base + strings.len()).next_multiple_of(8);
        let size = dynamic_at + dynamic.len() * 16;

        let mut out = b"\x7fELF\x02\x01\x01".to_vec();
        out.resize(16, 0);
        out.extend(elf::ET_DYN.0.to_le_bytes());
        out.extend(self.machine.0.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        // Entry, segments, sections.
        for word in [0, HEADER as u64, 0] {
            out.extend(word.to_le_bytes());
        }
        out.extend(0_u32.to_le_bytes());
        for half in [64_u16, 56, 3, 64, 0, 0] {
            out.extend(half.to_le_bytes());
        }
        let len = self.interpreter.len() + 1;
        let kind = match self.interpreter {
            "" => elf::PT_NULL,
            _ => elf::PT_INTERP,
        };
        for (kind, at, len) in [
            (elf::PT_LOAD, 0, size),
            (kind, interpreter, len),
            (elf::PT_DYNAMIC, dynamic_at, dynamic.len() * 16),
        ] {
            out.extend(kind.0.to_le_bytes());
            out.extend(4_u32.to_le_bytes());
            for word in [at, at, at, len, len, 8] {
                out.extend((word as u64).to_le_bytes());
            }
        }
        out.extend(strings);
        out.resize(dynamic_at, 0);
        for (tag, value) in dynamic {
            out.extend(tag.0.to_le_bytes());
            out.extend((value as u64).to_le_bytes());
        }
        out
    }
}
