//! Open files: a limit that is as high as the plan needs it.
//!
//! What workers share is opened before the first of them is cloned, and all
//! of them inherit all of it. Processes begin with a limit of 1,024, which
//! 512 pairs on pipes pass.

use crate::kit::text::{read_file, word};
use crate::plan::error::{PlanError, Rule};
use crate::plan::run::Run;
use crate::run::machine::Machine;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside what workers share: console, ports, logs, cgroups, a
/// scheduler; and what one worker opens for itself, which for `CgroupChurn`
/// is 64 cgroups.
const BESIDE: u64 = 192;
/// What a task that shares its process with others may have open at once.
const EACH_TASK: u64 = 4;

/// Raises the limit of this process to what a run needs.
///
/// # Errors
///
/// It needs more than can be had.
pub fn reserve<'t>(
    run: &Run<'t>,
    machine: &Machine,
) -> Result<(), PlanError<'t>> {
    let (need, token) = of_run(run, machine)?;
    raise(need).map_err(|most| PlanError {
        token,
        rule: Rule::Descriptors { need, most },
    })
}

/// How many a run needs, and the word for the group that needs most.
fn of_run<'t>(
    run: &Run<'t>,
    machine: &Machine,
) -> Result<(u64, &'t str), PlanError<'t>> {
    let (mut all, mut most, mut token) = (BESIDE, 0, "");
    for group in &run.groups {
        let usable = run.usable(group, &machine.cpus, &machine.online).len();
        let workers = group.workers(usable)?;
        let row = group.row();
        let shared = (row.shared)(&group.work, usable);
        let size = group.group_size().unwrap_or(1).max(1);
        let files = workers / size * shared.files;
        let ends = if shared.pipes { 2 * workers } else { 0 };
        // The tasks of one worker are threads, and so are workers with a
        // host.
        let host = group.host(run.settings.clone).is_some();
        let tasks = (row.tasks)(&group.work, usable);
        let tasks = if host { workers * tasks } else { tasks };
        let need = u64::from(files + ends) + EACH_TASK * u64::from(tasks);
        all += need;
        if need >= most {
            (most, token) = (need, group.token);
        }
    }
    Ok((all, token))
}

/// Raises the limit to `need`, or returns what it can be raised to.
fn raise(need: u64) -> Result<(), u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|limit| limit >= need) {
        return Ok(());
    }
    let mut buf = [0; 32];
    let nr_open = read_file("/proc/sys/fs/nr_open", &mut buf);
    let nr_open = nr_open.and_then(|text| word(text, 0)).unwrap_or(u64::MAX);
    let most = maximum.unwrap_or(u64::MAX).min(nr_open);
    let limits = Rlimit {
        current: Some(need),
        // With a privilege the hard limit can be raised, too.
        maximum: Some(most.max(need)),
    };
    setrlimit(Resource::Nofile, limits).map_err(|_| most)
}
