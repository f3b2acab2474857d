//! Cells of a matrix as jobs. What a system has no words for is refused, not
//! left out.

use super::{Job, System};
use crate::arch::Arch;
use crate::boot::BootRequest;
use crate::import;
use crate::matrix::{Cell, Kind, Wrong};
use crate::topology::Smp;
use core::time::Duration;

/// CPUs of tuxrun's device, which takes no others.
const TUXRUN_CPUS: u32 = 2;

/// The jobs of a cell, one for each of its boots. `of` has what all jobs have
/// in common.
///
/// # Errors
///
/// All that the system has no words for.
pub fn jobs(
    cell: &Cell,
    planned: Duration,
    of: &Job,
    system: System,
) -> Result<Vec<Job>, Vec<Wrong>> {
    let (boot, mut wrong) = (&cell.request, Vec::new());
    let mut say = |line: usize, why: String| {
        wrong.push(Wrong::new(line, format!("{cell}: {why}")));
    };
    for (option, line) in &cell.places {
        if let Some(why) = refused(option, boot, of.arch, system) {
            say(*line, format!("`{option}`: {why}"));
        }
    }
    let url = match (system, &cell.url, &cell.kbuild) {
        (System::KernelCi, _, Some(_)) => "none",
        (System::KernelCi, _, None) => {
            let why = "a pipeline boots kernels that it built; `kbuild` is \
                       missing, the name of the build";
            say(cell.line(Kind::Kernel), why.to_owned());
            ""
        }
        (_, Some(url), _) => url,
        (_, None, _) => {
            let kernel = &boot.kernel;
            let why = format!("`{kernel}` is here alone; `url` is missing");
            say(cell.line(Kind::Kernel), why);
            ""
        }
    };
    if cell.to_string().contains("pidone") {
        let why = "a payload takes a word with `pidone` in it for one of a \
                   plan, and the name of its cell is on its command line";
        say(cell.line(Kind::Kernel), why.to_owned());
    }
    let has = |option: &str| cell.places.contains_key(option);
    let job = Job {
        kernel: url.to_owned(),
        cpus: has("smp").then(|| boot.smp.cpus()),
        mib: boot.mem.whole().filter(|_| has("mem")),
        kbuild: cell.kbuild.clone(),
        timeout: boot.timeout,
        append: super::split(&boot.append),
        plan: boot.plan.clone(),
        planned,
        ..of.clone()
    };
    if wrong.is_empty()
        && let Err(error) = job.text(system)
    {
        let what = format!("{cell}: {error:#}");
        wrong.push(Wrong::new(cell.line(Kind::Plan), what));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let named = (1..=cell.boots).map(|boot| Job {
        name: match boot {
            1 => cell.to_string(),
            _ => format!("{cell}, boot {boot}"),
        },
        // By which `import` knows what its log is of.
        append: [&job.append[..], &[import::word_of(&cell.to_string(), boot)]]
            .concat(),
        ..job.clone()
    });
    Ok(named.collect())
}

/// Why a system has no words for an option of `boot`, if it has none.
fn refused(
    option: &str,
    boot: &BootRequest,
    arch: &Arch,
    system: System,
) -> Option<&'static str> {
    let tuxrun = system == System::Tuxrun;
    match option {
        "append" | "timeout" => None,
        "arch" if boot.arch == Some(arch) => None,
        "arch" => Some("--ramdisk is an image for another, that of --arch"),
        "smp" => match boot.smp {
            Smp::Flat(TUXRUN_CPUS) => None,
            Smp::Flat(_) if !tuxrun => None,
            Smp::Flat(_) => Some("tuxrun's device has 2 CPUs"),
            Smp::Spelled { .. } => {
                Some("only a number of CPUs goes into a job")
            }
        },
        "mem" if tuxrun => Some("tuxrun's device has 4 GiB"),
        "mem" if boot.mem.whole().is_some() => None,
        "mem" => Some("memory of each node does not go into a job"),
        "deterministic" => Some(
            "no job has the options that make QEMU repeat itself; a file of \
             their own is for such machines",
        ),
        "add" | "module" | "modules" | "scheduler" | "payload" => Some(
            "a job takes its image as it is; `pack` puts things into it, and \
             --ramdisk says where it is",
        ),
        _ => Some("a job's machine is its system's, and has what that gives"),
    }
}

#[cfg(test)]
mod tests {
    use super::jobs;
    use crate::ci::tests::job;
    use crate::ci::{Job, System};
    use crate::matrix::{listed, parse};
    use core::time::Duration;

    const KERNELS: &str = "new = { kernel = \"host\", url = \"/u\", \
        kbuild = \"kbuild-x\" }";

    /// What becomes of a machine's options; all that is wrong in one text.
    fn of(
        kernel: &str,
        machine: &str,
        plan: &str,
        system: System,
    ) -> Result<Vec<Job>, String> {
        let text = format!(
            "[kernels]\n{kernel}\n[machines]\nm = {{ {machine} }}\n\
             [plans]\np = {plan}\n"
        );
        let cells = parse(&text).unwrap();
        let cell = &cells[0];
        let second = Duration::from_secs(1);
        jobs(cell, second, &job(), system).map_err(|w| listed("m", &w))
    }

    const PLAN: &str = "\"work=PipeIo\"";

    #[test]
    fn what_a_system_has_words_for() {
        let all = "smp = 4, mem = \"1G\", boots = 2, \
                   append = [\"a b\", \"c\"], \
                   timeout = 77";
        for system in [System::Lava, System::KernelCi, System::GitHub] {
            let jobs = of(KERNELS, all, PLAN, system).unwrap();
            assert_eq!(jobs.len(), 2);
            assert_eq!(jobs[1].name, "new/m/p, boot 2");
            assert_eq!((jobs[0].cpus, jobs[0].mib), (Some(4), Some(1024)));
            let cell = "ci.cell=new/m/p:1";
            assert_eq!(jobs[0].append, ["a", "b", "c", cell]);
            assert_eq!(jobs[0].timeout, Some(Duration::from_secs(77)));
            assert_eq!(jobs[0].kbuild.as_deref(), Some("kbuild-x"));
        }
        let of_tuxrun = of(KERNELS, "smp = 2", PLAN, System::Tuxrun).unwrap();
        assert_eq!((of_tuxrun[0].kernel.as_str(), of_tuxrun.len()), ("/u", 1));
        // Nothing said, nothing told.
        let plain = of(KERNELS, "", PLAN, System::Lava).unwrap();
        assert_eq!((plain[0].cpus, plain[0].mib), (None, None));
    }

    #[test]
    fn what_none_has_words_for_is_said_with_its_cell() {
        let (lava, tuxrun) = (System::Lava, System::Tuxrun);
        let kernelci = System::KernelCi;
        let here = "new = \"built:6.12\"";
        let elsewhere = "new = { url = \"/u\" }";
        for (kernel, machine, plan, system, line, why) in [
            (
                KERNELS,
                "deterministic = true",
                PLAN,
                lava,
                4,
                "repeat itself",
            ),
            (
                KERNELS,
                "smp = \"2n2l2c1t\"",
                PLAN,
                lava,
                4,
                "only a number",
            ),
            (KERNELS, "mem = \"1G,1G\"", PLAN, lava, 4, "memory of each"),
            (KERNELS, "disk = \"1M\"", PLAN, lava, 4, "`disk`: a job's"),
            (KERNELS, "nic = true", PLAN, lava, 4, "`nic`: a job's"),
            (KERNELS, "arch = \"aarch64\"", PLAN, lava, 4, "of --arch"),
            (KERNELS, "add = \"/x\"", PLAN, lava, 4, "--ramdisk says"),
            (KERNELS, "smp = 4", PLAN, tuxrun, 4, "has 2 CPUs"),
            (KERNELS, "mem = \"4G\"", PLAN, tuxrun, 4, "has 4 GiB"),
            (here, "", PLAN, lava, 2, "`built:6.12` is here alone"),
            (elsewhere, "", PLAN, kernelci, 2, "`kbuild` is missing"),
            (
                KERNELS,
                "",
                "[\"work=PipeIo\", \"scx=/x y\"]",
                lava,
                6,
                "a job cannot hold ' '",
            ),
        ] {
            let said = of(kernel, machine, plan, system).unwrap_err();
            let place = format!("m:{line}: new/m/p: ");
            assert!(said.starts_with(&place), "{said}");
            assert!(said.contains(why), "{why} in {said}");
        }
        let two = "smp = 4, mem = 512";
        let said = of(here, two, PLAN, tuxrun).unwrap_err();
        assert_eq!(said.lines().count(), 3, "{said}");
    }
}
