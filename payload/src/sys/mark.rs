//! Marks of a measured window, for whoever watches a machine's instructions.
//!
//! An instruction that does nothing and that no compiler makes begins the
//! measured window of a run, and another ends it: a plugin in QEMU knows them
//! by their bytes, of any payload. They cost one instruction each.

use super::arch;

/// What the marks carry in their operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Behind the clock's reading that begins the window.
    Begin = 0x7069,
    /// In front of the one that ends it.
    End = 0x7064,
}

impl Mark {
    /// Its bytes on `x86_64`: `nop [rax + MARK]`.
    #[must_use]
    pub const fn x86_64(self) -> [u8; 7] {
        let [a, b] = (self as u16).to_le_bytes();
        [0x0f, 0x1f, 0x80, a, b, 0, 0]
    }

    /// Its bytes on `aarch64`: `movz xzr, MARK`.
    #[must_use]
    pub const fn aarch64(self) -> [u8; 4] {
        (0xd280_001f | (self as u32) << 5).to_le_bytes()
    }

    /// Its bytes on `riscv64`: `lui zero, MARK`.
    #[must_use]
    pub const fn riscv64(self) -> [u8; 4] {
        (0x37 | (self as u32) << 12).to_le_bytes()
    }
}

/// Begins the measured window of a run.
#[inline(always)]
pub fn begin() {
    arch::mark::<{ Mark::Begin as u16 }>();
}

/// Ends it.
#[inline(always)]
pub fn end() {
    arch::mark::<{ Mark::End as u16 }>();
}
