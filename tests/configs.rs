//! The fragments, and the kernel that is built from them.

use crate::machine;
use pidone::row::Feature;
use pidone::wire::record;
use pidone::workloads::rows;
use std::fs;
use std::path::Path;
use xtask::boot::{BootRequest as Args, boot};
use xtask::exit::Exit;
use xtask::kconfig::{Config, fragment};
use xtask::kernel_build::{self, Built, Order};
use xtask::kernel_check::{self, Helps, Verdict, option};
use xtask::supply;

/// As `kernel build` does it, with these fragments or the default ones.
fn build(fragments: &[&Path]) -> anyhow::Result<Built> {
    kernel_build::build(&Order {
        fragments: fragments.iter().map(|p| p.display().to_string()).collect(),
        ..Order::of_tests(false)?
    })
}

#[test]
fn every_need_is_covered_by_a_fragment() {
    let helps = Helps::read().unwrap();
    let needed = rows().flat_map(|row| row.needs);
    let needed = needed.filter_map(|need| option(&need.what));
    let mut count = 0;
    for symbol in needed.chain(Feature::ALL.iter().map(|f| f.config())) {
        assert!(helps.fragment(symbol).is_some(), "{symbol} is nowhere");
        count += 1;
    }
    assert!(count > Feature::ALL.len(), "no work type needs anything");
}

#[test]
fn every_line_of_a_fragment_has_its_reason() {
    let mut lines = 0;
    for entry in fs::read_dir(supply::fragments().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        for request in fragment(&name, &text).unwrap() {
            let reason = &request.reason;
            assert!(reason.ends_with('.'), "{name}: {request}: `{reason}`");
            lines += 1;
        }
    }
    assert!(lines > 100, "{lines} lines were found");
}

#[test]
fn the_kernel_of_all_fragments_boots_and_lacks_nothing() {
    let built = build(&[]).unwrap();
    assert!(build(&[]).unwrap().cached);
    let image = built.image.display().to_string();
    // The configuration is the one in the image, not the one beside it.
    let (config, place) = kernel_check::config(&image, None, false).unwrap();
    assert_eq!(place, image);
    let beside = fs::read_to_string(built.image.with_file_name("config"));
    assert_eq!(config, Config::parse(&beside.unwrap()));
    let findings =
        kernel_check::check(&config, rows(), &Helps::read().unwrap());
    for finding in &findings {
        assert_eq!(finding.verdict, Verdict::Runs, "{finding:?}");
    }
    let plan = "time=200ms work=PipeIo work=FutexPingPong work=ForkExit";
    let (report, exit) = boot(&Args {
        plan: plan.split(' ').map(str::to_owned).collect(),
        ..machine(&image)
    })
    .unwrap();
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    for run in &report.runs {
        assert_eq!(
            run.verdict,
            record::Verdict::Ok,
            "{}: {:?}",
            run.name,
            run.reasons
        );
    }
    assert_eq!(report.runs.len(), 3);
    // The machine is the judge of what the fragments gave it. Without KVM, and
    // on an idle host, the probes come before the kernel has verified the TSC,
    // and it has no high-resolution timers until then.
    let hello = report.hello.unwrap();
    let mut absent = hello.absent;
    if hello.clocksource == "tsc-early" {
        absent.retain(|symbol| symbol != "CONFIG_HIGH_RES_TIMERS");
    }
    assert!(absent.is_empty(), "{absent:?}");
}

#[test]
fn a_symbol_that_cannot_be_had_names_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alone.config");
    fs::write(&file, "CONFIG_SCHED_CLASS_EXT=y\n").unwrap();
    let error = build(&[&file]).unwrap_err().to_string();
    for part in [
        "1 of 1 symbols cannot be had",
        "CONFIG_SCHED_CLASS_EXT=y",
        "alone.config",
        "it needs DEBUG_INFO_BTF, which is n",
        "it needs BPF_SYSCALL, which is n",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
