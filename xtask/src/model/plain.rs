//! The gate through which all texts of a guest come in.
//!
//! Every structure is taken apart in full, so that a field that joins cannot
//! be forgotten here.

use super::{
    BootOutcome, Expect, Group, Hello, Hist, Interval, Kernel, Report, Run,
    Scheduler, Scx, Worker,
};
use crate::model::tunable::Tunable;
use crate::untrusted::{hidden, line};
use std::collections::BTreeMap;

impl Report {
    /// The report with texts that are lines of characters that are what they
    /// look like, whatever a kernel, a program or a file said: what comes
    /// behind can neither be taken for another line nor rule a terminal.
    #[must_use]
    pub fn plain(mut self) -> Self {
        let Self {
            hello,
            runs,
            scx,
            errors,
            reason,
            digest,
            boot_warnings,
            boots,
            schema: _,
            lost_records: _,
            outcome: _,
        } = &mut self;
        hello.iter_mut().for_each(plain_hello);
        runs.iter_mut().for_each(plain_run);
        if let Some(Scx { loaded, after }) = scx {
            plain_scheduler(loaded);
            after.iter_mut().for_each(plain_scheduler);
        }
        texts(errors);
        text(reason);
        digest.iter_mut().for_each(text);
        texts(boot_warnings);
        for BootOutcome {
            reason,
            number: _,
            outcome: _,
            exit: _,
        } in boots
        {
            text(reason);
        }
        self
    }
}

pub(super) fn text(text: &mut String) {
    if text.contains(hidden) {
        *text = line(text).into_owned();
    }
}

fn texts(all: &mut [String]) {
    all.iter_mut().for_each(text);
}

/// Two names that become one stay two.
fn names<V>(of: &mut BTreeMap<String, V>) {
    if !of.keys().any(|name| name.contains(hidden)) {
        return;
    }
    for (mut name, value) in core::mem::take(of) {
        text(&mut name);
        while of.contains_key(&name) {
            name.push('\'');
        }
        of.insert(name, value);
    }
}

fn plain_hello(hello: &mut Hello) {
    let Hello {
        pidone,
        kernel,
        kernel_build,
        machine,
        clock,
        clocksource,
        absent,
        notes,
        plan,
        set,
        cpus: _,
        nodes: _,
        llcs: _,
        cores: _,
        mem_kib: _,
        clock_ns: _,
        spin_step_ps: _,
        record_ps: _,
        entered_ns: _,
        ready_ns: _,
    } = hello;
    [pidone, kernel, kernel_build, machine, clock, clocksource]
        .into_iter()
        .for_each(text);
    [absent, notes, plan, set]
        .into_iter()
        .for_each(|all| texts(all));
}

fn plain_scheduler(scheduler: &mut Scheduler) {
    let Scheduler {
        name,
        state,
        events,
        output,
        switch_all: _,
        enable_seq: _,
        nr_rejected: _,
        dropped: _,
    } = scheduler;
    text(name);
    text(state);
    names(events);
    texts(output);
}

fn plain_run(run: &mut Run) {
    let Run {
        name,
        reasons,
        groups,
        intervals,
        expect,
        tunables,
        scx,
        trace,
        profile,
        sampled,
        kernel,
        verdict: _,
        wall_ns: _,
        seed: _,
        verdict_lost: _,
        unfinished: _,
    } = run;
    text(name);
    texts(reasons);
    groups.iter_mut().for_each(plain_group);
    for Interval {
        values,
        group: _,
        end_ms: _,
    } in intervals
    {
        names(values);
    }
    for Expect {
        text: condition,
        held: _,
        value: _,
    } in expect
    {
        text(condition);
    }
    tunables.iter_mut().for_each(Tunable::plain);
    scx.iter_mut().for_each(plain_scheduler);
    if let Some(trace) = trace {
        trace.plain();
    }
    if let Some(profile) = profile {
        profile.plain();
    }
    if let Some(sampled) = sampled {
        sampled.plain();
    }
    let Kernel {
        counters,
        messages,
        dropped_messages: _,
        taint: _,
    } = kernel;
    names(counters);
    texts(messages);
}

fn plain_group(group: &mut Group) {
    let Group {
        work,
        args,
        hist,
        metrics,
        workers,
        group_idx: _,
        worker_count: _,
        iterations: _,
        work_units: _,
        nowait: _,
        stale: _,
        counted: _,
    } = group;
    text(work);
    texts(args);
    hists(hist);
    names(metrics);
    workers.iter_mut().for_each(plain_worker);
}

fn hists(of: &mut BTreeMap<String, Hist>) {
    names(of);
    for Hist {
        rule,
        unit,
        count: _,
        sum_ns: _,
        min_ns: _,
        max_ns: _,
        p20_ns: _,
        p50_ns: _,
        p90_ns: _,
        p99_ns: _,
        p999_ns: _,
        buckets: _,
    } in of.values_mut()
    {
        rule.iter_mut().for_each(text);
        text(unit);
    }
}

fn plain_worker(worker: &mut Worker) {
    let Worker {
        role,
        mempolicy,
        numa_pages,
        errors,
        hist,
        index: _,
        pos: _,
        tid: _,
        tasks: _,
        iterations: _,
        work_units: _,
        counted: _,
        wall_ns: _,
        cpu_ns: _,
        nowait: _,
        stale: _,
        first_ns: _,
        run_delay_ns: _,
        run_count: _,
        nvcsw: _,
        nivcsw: _,
        migrations: _,
        nr_wakeups: _,
        nr_wakeups_sync: _,
        nr_wakeups_migrate: _,
        nr_wakeups_remote: _,
        minflt: _,
        majflt: _,
        migrations_seen: _,
        cpus_used: _,
        max_gap_ns: _,
        max_gap_cpu: _,
        max_gap_at_ns: _,
        max_cpu_gap_ns: _,
        policy: _,
        rt_priority: _,
        nice: _,
        cpus_allowed: _,
        ext_enabled: _,
        timer_slack_ns: _,
        completed: _,
        exit: _,
    } = worker;
    text(role);
    mempolicy.iter_mut().for_each(text);
    names(numa_pages);
    names(errors);
    hists(hist);
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn two_names_stay_two() {
        let all = ["a\x01", "a\x02", "b"];
        let mut all = all.map(|name| (name.to_owned(), name)).into();
        names(&mut all);
        let expected = ["a\u{fffd}", "a\u{fffd}'", "b"];
        assert!(all.keys().eq(expected), "{all:?}");
        assert_eq!(all["a\u{fffd}'"], "a\x02");
    }
}
