//! Modules of the kernel that a boot needs: those that were asked for, and
//! drivers of what the machine has.

use super::BootRequest;
use crate::kconfig::Config;
use crate::{build, kernel, kernel_check};
use anyhow::{Result, bail};
use initramfs::newc::Archive;
use std::path::Path;

/// A driver of a device that an option gives to the machine, or that is made
/// by its driver alone.
struct Driver {
    option: &'static str,
    module: &'static str,
    symbol: &'static str,
}

/// How disks and interfaces are attached.
const PCI: [&str; 2] = ["virtio_pci", "CONFIG_VIRTIO_PCI"];

/// Disks of the kernel's own, by how a plan names them.
const MADE: [Driver; 2] = [
    Driver {
        option: "dev=/dev/nullb",
        module: "null_blk",
        symbol: "CONFIG_BLK_DEV_NULL_BLK",
    },
    Driver {
        option: "dev=/dev/ram",
        module: "brd",
        symbol: "CONFIG_BLK_DEV_RAM",
    },
];

fn drivers(request: &BootRequest) -> Vec<Driver> {
    let disk = ["virtio_blk", "CONFIG_VIRTIO_BLK"];
    let nic = ["virtio_net", "CONFIG_VIRTIO_NET"];
    let devices = [
        (!request.disk.is_empty(), "--disk", disk),
        (request.nic.is_some(), "--nic", nic),
    ];
    let there = devices.into_iter().filter(|device| device.0);
    let of = |(_, option, own): (bool, &'static str, _)| {
        [PCI, own].map(|[module, symbol]| Driver {
            option,
            module,
            symbol,
        })
    };
    let named = |driver: &Driver| {
        let words = request.plan.iter();
        let mut words = words.flat_map(|word| word.split_whitespace());
        words.any(|word| word.starts_with(driver.option))
    };
    there
        .flat_map(of)
        .chain(MADE.into_iter().filter(named))
        .collect()
}

/// Packs the modules of `kernel`. What it has no known modules for must be
/// built into it.
///
/// # Errors
///
/// A module that was asked for, or that a device needs, cannot be had.
pub(super) fn pack(
    request: &BootRequest,
    kernel: &Path,
    added: &mut Archive,
) -> Result<()> {
    let drivers = drivers(request);
    let tree = request
        .modules
        .clone()
        .or_else(|| kernel::modules_of(kernel));
    let named = request.module.iter().map(String::as_str);
    let Some(tree) = tree else {
        let place = kernel.display().to_string();
        if let Some(name) = request.module.first() {
            bail!(
                "--module {name}: there are no modules beside {place}; say \
                 where with --modules DIR"
            );
        }
        if !drivers.is_empty() {
            let config = kernel_check::of_image(kernel);
            for note in built_in(&drivers, config.as_ref(), &place)? {
                crate::tell!("note: {note}");
            }
        }
        return Ok(());
    };
    let drivers = drivers.iter().map(|driver| driver.module);
    let names: Vec<&str> = named.chain(drivers).collect();
    match names.is_empty() && request.modules.is_none() {
        true => Ok(()),
        false => build::pack_modules(added, &tree, &names),
    }
}

/// What is to be said of drivers that have to be built in, for there are no
/// modules.
///
/// # Errors
///
/// One is a module.
fn built_in(
    drivers: &[Driver],
    config: Option<&Config>,
    kernel: &str,
) -> Result<Vec<String>> {
    let Some(config) = config else {
        let options: Vec<_> = drivers.iter().map(|d| d.option).collect();
        let modules: Vec<_> = drivers.iter().map(|d| d.module).collect();
        return Ok(vec![format!(
            "{}: {kernel} has no modules beside it, and no configuration that \
             says whether {} are built in; where they are not, the machine \
             does not show the device. --modules DIR says where modules are",
            unique(options, " and "),
            unique(modules, ", ")
        )]);
    };
    let mut notes = Vec::new();
    for Driver {
        option,
        module,
        symbol,
    } in drivers
    {
        match config.get(symbol) {
            "y" => {}
            "m" => bail!(
                "{option} needs {module}, which is a module of {kernel}, and \
                 there are no modules beside it; say where with --modules DIR"
            ),
            _ => notes.push(format!(
                "{option} needs {symbol}, which {kernel} has switched off: \
                 the machine will not show the device"
            )),
        }
    }
    Ok(notes)
}

fn unique(mut words: Vec<&str>, between: &str) -> String {
    let mut seen = Vec::new();
    words.retain(|word| {
        let new = !seen.contains(word);
        seen.push(*word);
        new
    });
    words.join(between)
}

#[cfg(test)]
mod tests {
    use super::{built_in, drivers, pack};
    use crate::boot::BootRequest;
    use crate::kconfig::Config;
    use initramfs::newc::Archive;

    fn request(words: &str) -> BootRequest {
        let words: Vec<&str> = words.split(' ').collect();
        BootRequest::parse("boot", &words).unwrap()
    }

    /// What is said of a kernel without modules and with this configuration.
    fn said(options: &str, config: Option<&str>) -> String {
        let plan = if options.contains("--") {
            "-- work=PipeIo"
        } else {
            ""
        };
        let request = request(format!("{options} {plan}").trim_end());
        let config = config.map(Config::parse);
        match built_in(&drivers(&request), config.as_ref(), "K") {
            Ok(notes) => notes.join("\n"),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn a_driver_that_cannot_be_loaded_is_said() {
        const PCI: &str = "CONFIG_VIRTIO_PCI=y\n";
        let with = |more: &str| format!("{PCI}{more}");
        let blk = with("CONFIG_VIRTIO_BLK=y\n");
        assert_eq!(said("--disk 64M", Some(&blk)), "");
        assert_eq!(
            said("--disk 64M", Some(&with("CONFIG_VIRTIO_BLK=m\n"))),
            "error: --disk needs virtio_blk, which is a module of K, and \
             there are no modules beside it; say where with --modules DIR"
        );
        assert_eq!(
            said("--nic user", Some(&blk)),
            "--nic needs CONFIG_VIRTIO_NET, which K has switched off: the \
             machine will not show the device"
        );
        assert_eq!(
            said("work=IoRandRead dev=/dev/nullb0", Some(&blk)),
            "dev=/dev/nullb needs CONFIG_BLK_DEV_NULL_BLK, which K has \
             switched off: the machine will not show the device"
        );
        let unknown = said("--disk 64M --nic user", None);
        assert_eq!(
            unknown,
            "--disk and --nic: K has no modules beside it, and no \
             configuration that says whether virtio_pci, virtio_blk, \
             virtio_net are built in; where they are not, the machine does \
             not show the device. --modules DIR says where modules are"
        );
    }

    #[test]
    fn only_a_device_or_a_name_asks_for_modules() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = dir.path().join("bzImage");
        std::fs::write(&kernel, "kernel").unwrap();
        let mut added = Archive::default();
        let mut pack = |words: &str| {
            let request = request(&format!("{words} -- work=PipeIo"));
            pack(&request, &kernel, &mut added).map_err(|e| e.to_string())
        };
        assert_eq!(pack("--smp 2"), Ok(()));
        assert_eq!(pack("--disk 64M"), Ok(()));
        let said = pack("--module loop").unwrap_err();
        assert!(said.contains("there are no modules beside"), "{said}");
    }
}
