//! Whether a kernel can start its second CPU in a deterministic machine.
//!
//! QEMU runs the CPUs of such a machine in turn. Before version 8.1, one that
//! neither pauses nor sleeps nor touches a device has all the time until the
//! next timer, and the others have none. Linux on x86 waited in such a loop
//! for a CPU that it starts, until 6.5 brought `HOTPLUG_CORE_SYNC_FULL`; on
//! riscv64 the firmware does, before there is a kernel.

use crate::arch::{Arch, RISCV64, X86_64};
use crate::kconfig::Config;
use anyhow::{Result, bail};

/// The first QEMU that shares the time evenly.
const FAIR: [u32; 2] = [8, 1];

/// Refuses a machine that would wait for its second CPU for ever. Of a kernel
/// whose configuration is not known, nobody can tell.
///
/// `qemu` is what QEMU says of its version.
///
/// # Errors
///
/// It would.
pub(super) fn check(
    arch: &Arch,
    cpus: u32,
    config: Option<&Config>,
    qemu: &str,
) -> Result<()> {
    if cpus < 2 || version(qemu).is_none_or(|version| version >= FAIR) {
        return Ok(());
    }
    if *arch == RISCV64 {
        bail!(
            "the firmware of riscv64 never ends in a deterministic machine of \
             {qemu} with several CPUs: one waits for another in a loop in \
             which QEMU before {}.{} lets none run; give --smp 1, or a newer \
             QEMU",
            FAIR[0],
            FAIR[1],
        );
    }
    let waits = |config: &&Config| {
        *arch == X86_64
            && config.is_y("CONFIG_SMP")
            && !config.is_y("CONFIG_HOTPLUG_CORE_SYNC_FULL")
    };
    if let Some(config) = config.filter(waits) {
        bail!(
            "Linux {} never starts a second CPU in a deterministic machine of \
             {qemu}: it waits in a loop in which QEMU before {}.{} lets no \
             other CPU run; give --smp 1, Linux 6.5 or later, or a newer QEMU",
            config.kernel.as_deref().unwrap_or("before 6.5"),
            FAIR[0],
            FAIR[1],
        );
    }
    Ok(())
}

/// QEMU with which riscv64 machines of several nodes stop at random: in the
/// firmware, in the kernel or in a run. Of later ones nothing is known.
const STOPS: [u32; 2] = [7, 2];

/// Refuses a machine that would stop because of its nodes.
///
/// # Errors
///
/// It would.
pub(super) fn nodes(arch: &Arch, nodes: u32, qemu: &str) -> Result<()> {
    if *arch == RISCV64 && nodes > 1 && version(qemu) == Some(STOPS) {
        bail!(
            "riscv64 machines of several nodes stop at random in {qemu}; leave \
             --numa out, or take a newer QEMU"
        );
    }
    Ok(())
}

/// The first two numbers of `QEMU emulator version 7.2.22 (Debian …)`.
fn version(qemu: &str) -> Option<[u32; 2]> {
    let (_, rest) = qemu.split_once(" version ")?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some([next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::{check, nodes};
    use crate::arch::{AARCH64, Arch, RISCV64, X86_64};
    use crate::kconfig::Config;

    const OLD: &str = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)";
    const BEFORE: &str = "# Linux/x86 6.1.180 Kernel Configuration\n\
                          CONFIG_SMP=y\n";

    fn said(arch: &Arch, cpus: u32, config: &str, qemu: &str) -> String {
        let config = Config::parse(config);
        let checked = check(arch, cpus, Some(&config), qemu);
        checked.map_or_else(|why| why.to_string(), |()| String::new())
    }

    #[test]
    fn what_would_wait_for_ever_is_refused() {
        let why = said(&X86_64, 2, BEFORE, OLD);
        assert!(why.starts_with("Linux 6.1.180 never starts"), "{why}");
        assert!(why.contains("version 7.2.22"), "{why}");
        assert!(why.contains("--smp 1"), "{why}");
        let why = said(&RISCV64, 2, "CONFIG_HOTPLUG_CORE_SYNC_FULL=y\n", OLD);
        assert!(why.starts_with("the firmware of riscv64"), "{why}");
        let newer = "QEMU emulator version 8.1.0";
        let several = |arch, of, qemu| nodes(arch, of, qemu).is_ok();
        assert!(!several(&RISCV64, 2, OLD) && several(&RISCV64, 1, OLD));
        assert!(several(&RISCV64, 2, newer) && several(&X86_64, 2, OLD));
        let since = "CONFIG_SMP=y\nCONFIG_HOTPLUG_CORE_SYNC_FULL=y\n";
        for (arch, cpus, config, qemu) in [
            (&X86_64, 1, BEFORE, OLD),
            (&X86_64, 2, since, OLD),
            (&X86_64, 2, "# CONFIG_SMP is not set\n", OLD),
            (&X86_64, 2, BEFORE, newer),
            (&X86_64, 2, BEFORE, "no version"),
            (&AARCH64, 2, BEFORE, OLD),
            (&RISCV64, 1, BEFORE, OLD),
            (&RISCV64, 2, BEFORE, newer),
        ] {
            assert_eq!(said(arch, cpus, config, qemu), "", "{qemu} {cpus}");
        }
    }
}
