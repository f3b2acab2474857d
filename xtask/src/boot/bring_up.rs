//! Whether a kernel can start its second CPU in a deterministic machine.
//!
//! QEMU runs the CPUs of such a machine in turn. Before version 8.1, one that
//! neither pauses nor sleeps nor touches a device has all the time until the
//! next timer, and the others have none. Linux on x86 waited in such a loop
//! for a CPU that it starts, until 6.5 brought `HOTPLUG_CORE_SYNC_FULL`.

use crate::arch::{Arch, X86_64};
use crate::kconfig::Config;
use anyhow::{Result, bail};

/// The first QEMU that shares the time evenly.
const FAIR: [u32; 2] = [8, 1];

/// Refuses a machine whose kernel would wait for its second CPU for ever.
///
/// `qemu` is what QEMU says of its version.
///
/// # Errors
///
/// It would.
pub(super) fn check(
    arch: &Arch,
    cpus: u32,
    config: &Config,
    qemu: &str,
) -> Result<()> {
    let waits = *arch == X86_64
        && cpus > 1
        && config.is_y("CONFIG_SMP")
        && !config.is_y("CONFIG_HOTPLUG_CORE_SYNC_FULL");
    if waits && version(qemu).is_some_and(|version| version < FAIR) {
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

/// The first two numbers of `QEMU emulator version 7.2.22 (Debian …)`.
fn version(qemu: &str) -> Option<[u32; 2]> {
    let (_, rest) = qemu.split_once(" version ")?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some([next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::arch::{AARCH64, Arch, X86_64};
    use crate::kconfig::Config;

    const OLD: &str = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)";
    const BEFORE: &str = "# Linux/x86 6.1.180 Kernel Configuration\n\
                          CONFIG_SMP=y\n";

    fn said(arch: &Arch, cpus: u32, config: &str, qemu: &str) -> String {
        let config = Config::parse(config);
        let checked = check(arch, cpus, &config, qemu);
        checked.map_or_else(|why| why.to_string(), |()| String::new())
    }

    #[test]
    fn what_would_wait_for_ever_is_refused() {
        let why = said(&X86_64, 2, BEFORE, OLD);
        assert!(why.starts_with("Linux 6.1.180 never starts"), "{why}");
        assert!(why.contains("version 7.2.22"), "{why}");
        assert!(why.contains("--smp 1"), "{why}");
        let newer = "QEMU emulator version 8.1.0";
        let since = "CONFIG_SMP=y\nCONFIG_HOTPLUG_CORE_SYNC_FULL=y\n";
        for (arch, cpus, config, qemu) in [
            (&X86_64, 1, BEFORE, OLD),
            (&X86_64, 2, since, OLD),
            (&X86_64, 2, "# CONFIG_SMP is not set\n", OLD),
            (&X86_64, 2, BEFORE, newer),
            (&X86_64, 2, BEFORE, "no version"),
            (&AARCH64, 2, BEFORE, OLD),
        ] {
            assert_eq!(said(arch, cpus, config, qemu), "", "{qemu} {cpus}");
        }
    }
}
