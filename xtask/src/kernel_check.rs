//! What a kernel's configuration means for the work types.
//!
//! The payload itself never reads a configuration: it tries. What is said here
//! is a forecast, for a kernel that is not running.

use crate::arch::Arch;
use crate::catalogue::need;
use crate::kconfig::{Config, bare};
use crate::kernel_build::{ABOUT, DEFAULT, image};
use crate::supply;
use crate::{arch, kconfig, kernel};
use anyhow::{Context, Result, bail};
use initramfs::compress::Compression;
use pidone::row::{Feature, Row, What};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Without one of these no work type runs, or nobody hears of it.
const BOOT: [&str; 4] = [
    "CONFIG_BLK_DEV_INITRD",
    "CONFIG_BINFMT_ELF",
    "CONFIG_TTY",
    "CONFIG_PROC_FS",
];

/// Without it a kernel boots, and shows nothing of its devices and nodes.
const SYSFS: &str = "CONFIG_SYSFS";

/// One of these has to unpack what `boot` packs.
const UNPACK: [&str; 2] = ["CONFIG_RD_ZSTD", "CONFIG_RD_GZIP"];

/// Symbols that went away while what they switched stayed, and the version
/// that did it.
const ALWAYS: [(&str, [u32; 2]); 1] = [("CONFIG_SCHED_DEBUG", [6, 15])];

/// Keys of a run that set something of the kernel, and what that needs.
const KEYS: [(&str, &[&str]); 2] = [
    (
        "sched_features=, sched.FILE=",
        &["CONFIG_DEBUG_FS", "CONFIG_SCHED_DEBUG"],
    ),
    ("sysctl.NAME=", &["CONFIG_SYSCTL"]),
];

/// How a work type fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It runs.
    Runs,
    /// It runs when a module is loaded.
    Module,
    /// It runs and says less.
    Degraded,
    /// It does not run.
    Skip,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Runs => "runs",
            Self::Module => "module",
            Self::Degraded => "degraded",
            Self::Skip => "skip",
        })
    }
}

/// What is said of one work type.
#[derive(Debug)]
pub struct Finding {
    /// The work type.
    pub name: &'static str,
    /// How it fares with default parameters.
    pub verdict: Verdict,
    /// What is missing, and what would help.
    pub reasons: Vec<String>,
}

/// What keeps a kernel from booting our image at all.
#[must_use]
pub fn boot(config: &Config, helps: &Helps) -> Vec<String> {
    let mut missing: Vec<String> = BOOT
        .iter()
        .filter(|symbol| !config.is_y(symbol))
        .map(|symbol| helps.missing(symbol))
        .collect();
    if !UNPACK.iter().any(|symbol| config.is_y(symbol)) {
        missing.extend(UNPACK.iter().map(|symbol| helps.missing(symbol)));
    }
    missing
}

/// What is added to the report of a kernel whose init never spoke, where its
/// configuration may be why.
///
/// # Errors
///
/// A fragment that cannot be read.
pub fn unbootable(config: &Config) -> Result<String> {
    let missing = boot(config, &Helps::read()?);
    Ok(match missing.is_empty() {
        true => String::new(),
        false => format!("; its configuration: {}", missing.join(", ")),
    })
}

/// Goes through the needs of the rows.
#[must_use]
pub fn check(
    config: &Config,
    rows: impl IntoIterator<Item = &'static Row>,
    helps: &Helps,
) -> Vec<Finding> {
    let unbootable = !boot(config, helps).is_empty();
    rows.into_iter()
        .map(|row| {
            let mut finding = of_row(row, config, helps);
            if unbootable {
                finding.verdict = Verdict::Skip;
            }
            finding
        })
        .collect()
}

fn of_row(row: &'static Row, config: &Config, helps: &Helps) -> Finding {
    let mut finding = Finding {
        name: row.name,
        verdict: Verdict::Runs,
        reasons: Vec::new(),
    };
    let of_all = Feature::OF_ALL_RUNS.map(Feature::config);
    for symbol in of_all {
        if state(symbol, config) == "n" {
            finding.verdict = Verdict::Skip;
            finding.reasons.push(helps.missing(symbol));
        }
    }
    for need in row.needs {
        let unseen = in_sysfs(&need.what) && state(SYSFS, config) == "n";
        let symbol = match unseen {
            true => Some(SYSFS),
            false => option(&need.what),
        };
        let Some(symbol) = symbol.filter(|symbol| !of_all.contains(symbol))
        else {
            continue;
        };
        let (verdict, mut reason) = match state(symbol, config) {
            "n" if need.required => (Verdict::Skip, helps.missing(symbol)),
            "n" => (Verdict::Degraded, helps.missing(symbol)),
            "m" => (Verdict::Module, format!("{symbol} is a module")),
            _ => continue,
        };
        if (need.when)(&row.work()) {
            finding.verdict = finding.verdict.max(verdict);
        } else {
            reason = format!("with some parameters: {reason}");
        }
        if !finding.reasons.contains(&reason) {
            finding.reasons.push(reason);
        }
    }
    finding
}

/// The configuration option that a need is.
#[must_use]
pub fn option(what: &What) -> Option<&'static str> {
    match what {
        What::Feature(feature) => Some(feature.config()),
        What::Config(name) => Some(name.text()),
        _ => None,
    }
}

/// Whether a need is found by what sysfs says, or below it.
fn in_sysfs(what: &What) -> bool {
    matches!(
        what,
        What::Feature(Feature::SchedExt)
            | What::SchedExt
            | What::Cgroup2
            | What::Controller(_)
            | What::BlockDevice
            | What::Nic
            | What::Smt
            | What::CpuNodes(2..)
            | What::MemoryNodes(2..)
    )
}

/// What a symbol is set to, or would be if it had not become a matter of
/// course.
fn state<'c>(symbol: &str, config: &'c Config) -> &'c str {
    let version = config.kernel.as_deref().map(|version| {
        let mut numbers = version.split(['.', '-', '+']);
        let mut next = || numbers.next().and_then(|n| n.parse::<u32>().ok());
        [next().unwrap_or(0), next().unwrap_or(0)]
    });
    let always = ALWAYS.iter().any(|&(name, since)| {
        name == symbol && version.is_some_and(|version| version >= since)
    });
    // Without shmem, files in memory are in ramfs, which takes what is written.
    let ramfs = symbol == "CONFIG_TMPFS" && config.get("CONFIG_SHMEM") == "n";
    match always || ramfs {
        true => "y",
        false => config.get(symbol),
    }
}

/// Needs of the rows that no configuration can tell.
#[must_use]
pub fn of_the_machine(
    rows: impl IntoIterator<Item = &'static Row>,
) -> BTreeMap<String, Vec<&'static str>> {
    let mut needs: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for row in rows {
        for what in row.needs.iter().map(|need| &need.what) {
            if option(what).is_some() {
                continue;
            }
            let names = needs.entry(need(what)).or_default();
            // A type may need it with some parameters, and want it with others.
            if names.last() != Some(&row.name) {
                names.push(row.name);
            }
        }
    }
    needs
}

/// The keys of a plan for which something is missing, and what. A run that has
/// them is skipped.
#[must_use]
pub fn of_keys(
    config: &Config,
    helps: &Helps,
) -> Vec<(&'static str, Vec<String>)> {
    let missing = |(keys, needs): (&'static str, &[&str])| {
        let missing = needs.iter().filter(|need| state(need, config) == "n");
        let missing: Vec<_> = missing.map(|need| helps.missing(need)).collect();
        (!missing.is_empty()).then_some((keys, missing))
    };
    KEYS.into_iter().filter_map(missing).collect()
}

/// Which fragment switches what on.
#[derive(Debug)]
pub struct Helps(BTreeMap<String, String>);

impl Helps {
    /// Reads our fragments.
    ///
    /// # Errors
    ///
    /// A fragment that cannot be read.
    pub fn read() -> Result<Self> {
        let mut helps = BTreeMap::new();
        let folder = supply::fragments()?;
        let arches = arch::ALL.iter().map(|arch| arch.kernel);
        for name in DEFAULT.into_iter().chain(arches) {
            let file = folder.join(format!("{name}.config"));
            let text = fs::read_to_string(&file)
                .with_context(|| file.display().to_string())?;
            for request in kconfig::fragment(name, &text)? {
                if request.value != "n" {
                    helps.entry(request.symbol).or_insert(request.fragment);
                }
            }
        }
        Ok(Self(helps))
    }

    /// The fragment that switches a symbol on.
    #[must_use]
    pub fn fragment(&self, symbol: &str) -> Option<&str> {
        self.0.get(bare(symbol)).map(String::as_str)
    }

    fn missing(&self, symbol: &str) -> String {
        match self.fragment(symbol) {
            Some(name) => format!("{symbol} is off; fragment {name} sets it"),
            None => format!("{symbol} is off"),
        }
    }
}

/// The configuration of `host`, a `.config`, an image, or a kernel as
/// `--kernel` names it; and where it was found.
///
/// # Errors
///
/// There is none, and where it was looked for.
pub fn config(
    of: &str,
    asked: Option<&'static Arch>,
    setup: bool,
) -> Result<(Config, String)> {
    // A configuration is a file as well, and says nothing of this kind.
    kernel::arch(of, asked)?;
    if of == "host" {
        return host();
    }
    let mut path = Path::new(of).to_path_buf();
    if !path.is_file() {
        path = kernel::resolve(of, asked, setup)?;
    }
    let place = path.display().to_string();
    let bytes = fs::read(&path).with_context(|| place.clone())?;
    if let Some(config) = plain(&bytes) {
        return Ok((config, place));
    }
    let said = match image::config(&bytes) {
        Ok(text) => return Ok((Config::parse(&text), place)),
        Err(error) => error,
    };
    let beside = beside(&path);
    match fs::read(&beside).ok().as_deref().and_then(plain) {
        Some(config) => Ok((config, beside.display().to_string())),
        None => bail!(
            "{place}: {said:#}; nor is there a file {}",
            beside.display()
        ),
    }
}

/// Where the configuration of an image lies that distributions, and
/// [`kernel_build`](crate::kernel_build), made together with it.
fn beside(image: &Path) -> PathBuf {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    image.with_file_name(match name.strip_prefix("vmlinuz-") {
        Some(release) => format!("config-{release}"),
        None => "config".to_owned(),
    })
}

/// The configuration of an image that is to be booted, if it can be had.
///
/// One that is sure to belong to it is taken from beside it, since unpacking
/// an image takes a second.
#[must_use]
pub fn of_image(path: &Path) -> Option<Config> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let together = ["modules.builtin", ABOUT].map(|f| path.with_file_name(f));
    let pair =
        name.starts_with("vmlinuz-") || together.iter().any(|f| f.exists());
    let beside = || plain(&fs::read(beside(path)).ok()?);
    let inside = || {
        let text = image::config(&fs::read(path).ok()?).ok()?;
        Some(Config::parse(&text))
    };
    match pair {
        true => beside().or_else(inside),
        false => inside(),
    }
}

fn host() -> Result<(Config, String)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("/proc/sys/kernel/osrelease")?;
    let release = release.trim();
    let places = [
        "/proc/config.gz".to_owned(),
        format!("/boot/config-{release}"),
        format!("/lib/modules/{release}/config"),
    ];
    for place in &places {
        let bytes = fs::read(place).ok();
        if let Some(config) = bytes.as_deref().and_then(plain) {
            return Ok((config, place.clone()));
        }
    }
    bail!(
        "the host's kernel shows no configuration in {}",
        places.join(", ")
    )
}

/// A `.config`, gzipped or not.
fn plain(bytes: &[u8]) -> Option<Config> {
    let unpacked = match Compression::detect(bytes) {
        Some(Compression::Gzip) => Compression::Gzip.decompress(bytes).ok()?.0,
        _ => bytes.to_vec(),
    };
    let config = Config::parse(core::str::from_utf8(&unpacked).ok()?);
    (!config.is_empty()).then_some(config)
}

#[cfg(test)]
mod tests {
    use super::unbootable;
    use super::{
        Helps, Verdict, boot, check, config, of_image, of_the_machine, state,
    };
    use crate::kconfig::Config;
    use crate::kernel_build::ABOUT;
    use initramfs::compress::Compression;
    use pidone::row::Feature;
    use pidone::workloads::rows;
    use std::fs;

    const BOOTS: &str = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\n\
        CONFIG_TTY=y\nCONFIG_PROC_FS=y\nCONFIG_SYSFS=y\n\
        CONFIG_RD_GZIP=y\n";

    #[test]
    fn what_is_booted_has_a_configuration_if_it_can_be_had() {
        let dir = tempfile::tempdir().unwrap();
        let image = |name: &str| dir.path().join(name);
        let packed = Compression::Gzip.compress(b"CONFIG_A=y\n").unwrap();
        for name in ["vmlinuz-6.1", "bzImage"] {
            fs::write(image(name), [b"IKCFG_ST", &packed[..]].concat())
                .unwrap();
        }
        fs::write(image("vmlinuz-6.2"), "none in it").unwrap();
        fs::write(image("config"), "CONFIG_B=y\n").unwrap();
        let is = |name: &str, what: &str| {
            let config = of_image(&image(name));
            let text = config.map(|config| config.to_string());
            assert_eq!(text.unwrap_or_default(), what, "{name}");
        };
        // Whose the `config` is nobody knows.
        is("bzImage", "CONFIG_A=y\n");
        is("vmlinuz-6.1", "CONFIG_A=y\n");
        is("vmlinuz-6.2", "");
        is("no such image", "");
        fs::write(image("config-6.1"), "CONFIG_C=m\n").unwrap();
        is("vmlinuz-6.1", "CONFIG_C=m\n");
        for together in [ABOUT, "modules.builtin"] {
            fs::write(image(together), "").unwrap();
            is("bzImage", "CONFIG_B=y\n");
            fs::remove_file(image(together)).unwrap();
        }
    }

    fn verdict(text: &str, work: &str) -> (Verdict, String) {
        let helps = Helps::read().unwrap();
        let config = Config::parse(text);
        let findings = check(&config, rows(), &helps);
        let found = findings.iter().find(|f| f.name == work).unwrap();
        (found.verdict, found.reasons.join("\n"))
    }

    #[test]
    fn what_is_missing_is_named_with_its_fragment() {
        let (skipped, why) = verdict(BOOTS, "TimerLatency");
        assert_eq!(skipped, Verdict::Skip);
        assert!(
            why.contains("CONFIG_POSIX_TIMERS is off; fragment base sets it"),
            "{why}"
        );
        let timers = format!("{BOOTS}CONFIG_POSIX_TIMERS=y\n");
        let (degraded, why) = verdict(&timers, "TimerLatency");
        assert_eq!(degraded, Verdict::Degraded, "{why}");
        let all = format!("{timers}CONFIG_HIGH_RES_TIMERS=y\n");
        let (runs, why) = verdict(&all, "TimerLatency");
        assert_eq!((runs, why.as_str()), (Verdict::Runs, ""));
        let (skipped, why) = verdict(&timers, "EpollStorm");
        assert_eq!(skipped, Verdict::Skip);
        for symbol in ["CONFIG_EPOLL", "CONFIG_EVENTFD"] {
            assert!(why.contains(&format!("{symbol} is off")), "{why}");
        }
        let module = timers + "CONFIG_FUTEX=m\n";
        let (module, _) = verdict(&module, "FutexFanOut");
        assert_eq!(module, Verdict::Module);
    }

    #[test]
    fn what_all_runs_need_is_named_once() {
        for feature in Feature::OF_ALL_RUNS {
            let symbol = feature.config();
            let all = Feature::OF_ALL_RUNS.map(|f| f.config());
            let others = all.iter().filter(|other| **other != symbol);
            let others = others.map(|other| format!("{other}=y\n"));
            let boots = BOOTS.replace(&format!("{symbol}=y\n"), "");
            let text = boots + &others.collect::<String>();
            // The latter asks for one of them itself.
            for work in ["SpinWait", "Bursty"] {
                let said = format!("{symbol} is off; fragment base sets it");
                assert_eq!(verdict(&text, work), (Verdict::Skip, said));
            }
        }
    }

    #[test]
    fn a_kernel_whose_init_never_spoke_may_have_no_console() {
        let all = Config::parse(BOOTS);
        assert_eq!(unbootable(&all).unwrap(), "");
        let mute = Config::parse(&BOOTS.replace("CONFIG_TTY=y", ""));
        assert_eq!(
            unbootable(&mute).unwrap(),
            "; its configuration: CONFIG_TTY is off; fragment base sets it"
        );
    }

    #[test]
    fn nothing_runs_on_what_does_not_boot() {
        let (skipped, _) = verdict("CONFIG_FUTEX=y\n", "SpinWait");
        assert_eq!(skipped, Verdict::Skip);
        let helps = Helps::read().unwrap();
        let missing = boot(&Config::parse("CONFIG_FUTEX=y"), &helps);
        assert!(missing[0].contains("BLK_DEV_INITRD"), "{missing:?}");
        assert!(boot(&Config::parse(BOOTS), &helps).is_empty());
        // Without it there is no console.
        let mute = Config::parse(&BOOTS.replace("CONFIG_TTY=y", ""));
        let said = boot(&mute, &helps).join("\n");
        assert_eq!(said, "CONFIG_TTY is off; fragment base sets it");
    }

    #[test]
    fn without_sysfs_nothing_runs_that_is_found_by_it() {
        let blind = format!(
            "{BOOTS}CONFIG_POSIX_TIMERS=y\nCONFIG_MEMFD_CREATE=y\n\
             CONFIG_TMPFS=y\n"
        );
        let blind = blind.replace("CONFIG_SYSFS=y\n", "");
        assert_eq!(unbootable(&Config::parse(&blind)).unwrap(), "");
        assert_eq!(verdict(&blind, "SpinWait").0, Verdict::Runs);
        for work in ["CgroupChurn", "NetTraffic", "IoSyncWrite"] {
            let (found, why) = verdict(&blind, work);
            let lost = if work.starts_with("Io") {
                Verdict::Degraded
            } else {
                Verdict::Skip
            };
            let part = "CONFIG_SYSFS is off; fragment base sets it";
            assert!(found == lost && why.contains(part), "{found}: {why}");
            assert!(verdict(BOOTS, work).1 != why);
        }
    }

    #[test]
    fn files_in_memory_are_written_to_with_tmpfs_or_without_shmem() {
        for (config, state_of) in [
            ("CONFIG_SHMEM=y\nCONFIG_TMPFS=y\n", "y"),
            ("CONFIG_SHMEM=y\n", "n"),
            ("# CONFIG_SHMEM is not set\n", "y"),
        ] {
            let config = Config::parse(config);
            assert_eq!(state("CONFIG_TMPFS", &config), state_of);
        }
    }

    #[test]
    fn a_need_of_the_machine_names_a_type_once() {
        for (need, works) in of_the_machine(rows()) {
            let mut once = works.clone();
            once.dedup();
            assert_eq!(works, once, "{need}");
        }
    }

    #[test]
    fn an_option_that_went_away_is_no_loss() {
        let of = |version: &str| {
            let text = format!("# Linux/x86 {version} Kernel Configuration");
            state("CONFIG_SCHED_DEBUG", &Config::parse(&text)).to_owned()
        };
        assert_eq!(
            [of("6.14.3"), of("6.15.0-rc1"), of("7.0.1")],
            ["n", "y", "y"]
        );
    }

    #[test]
    fn a_configuration_is_read_plain_packed_and_from_beside() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let gzip: Compression = "gzip".parse().unwrap();
        let packed = gzip.compress(BOOTS.as_bytes()).unwrap();
        let image = file("vmlinuz-1", b"an image without");
        assert!(config(&image, None, false).is_err());
        let beside = file("config-1", BOOTS.as_bytes());
        for name in [file("x", BOOTS.as_bytes()), file("x.gz", &packed), image]
        {
            let (found, place) = config(&name, None, false).unwrap();
            assert_eq!(found, Config::parse(BOOTS));
            assert!(place == name || place == beside, "{place}");
        }
    }
}
