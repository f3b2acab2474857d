//! All work types, and the rules their rows keep.

mod affinity_churn;
mod alu_hot;
mod asymmetric_waker;
mod bursty;
mod cache_pipe;
mod cache_pressure;
mod cache_yield;
mod cgroup_attach_storm;
mod cgroup_churn;
mod cross_affinity_churn;
pub mod custom;
mod epoll_storm;
mod fan_out_compute;
mod fork_exit;
mod futex_fan_out;
mod futex_ping_pong;
mod idle_churn;
mod io_convoy;
mod io_rand_read;
mod io_sync_write;
mod ipc_variance;
mod irq_wake;
mod mixed;
mod mutex_contention;
mod net_traffic;
mod nice_sweep;
mod numa_migration_churn;
mod numa_working_set_sweep;
mod page_fault_churn;
mod pipe_io;
mod policy_churn;
mod preempt_storm;
mod priority_inversion;
mod producer_consumer_imbalance;
mod rt_starvation;
mod schbench;
mod sequence;
mod signal_storm;
mod smt_sibling_spin;
mod spin_wait;
mod taobench;
mod thundering_herd;
mod timer_latency;
mod wake_chain;
mod yield_heavy;

use crate::ctx::workload::Workload;
use crate::row::Row;

/// Every work type, in the order of the catalogue.
pub static ALL: &[&Workload] = &[
    &spin_wait::WORKLOAD,
    &yield_heavy::WORKLOAD,
    &mixed::WORKLOAD,
    &alu_hot::WORKLOAD,
    &smt_sibling_spin::WORKLOAD,
    &ipc_variance::WORKLOAD,
    &io_sync_write::WORKLOAD,
    &io_rand_read::WORKLOAD,
    &io_convoy::WORKLOAD,
    &bursty::WORKLOAD,
    &idle_churn::WORKLOAD,
    &cache_pressure::WORKLOAD,
    &cache_yield::WORKLOAD,
    &pipe_io::WORKLOAD,
    &futex_ping_pong::WORKLOAD,
    &cache_pipe::WORKLOAD,
    &futex_fan_out::WORKLOAD,
    &fan_out_compute::WORKLOAD,
    &wake_chain::WORKLOAD,
    &asymmetric_waker::WORKLOAD,
    &epoll_storm::WORKLOAD,
    &thundering_herd::WORKLOAD,
    &timer_latency::WORKLOAD,
    &net_traffic::WORKLOAD,
    &irq_wake::WORKLOAD,
    &fork_exit::WORKLOAD,
    &nice_sweep::WORKLOAD,
    &affinity_churn::WORKLOAD,
    &policy_churn::WORKLOAD,
    &cross_affinity_churn::WORKLOAD,
    &numa_migration_churn::WORKLOAD,
    &cgroup_churn::WORKLOAD,
    &cgroup_attach_storm::WORKLOAD,
    &page_fault_churn::WORKLOAD,
    &numa_working_set_sweep::WORKLOAD,
    &mutex_contention::WORKLOAD,
    &priority_inversion::WORKLOAD,
    &producer_consumer_imbalance::WORKLOAD,
    &signal_storm::WORKLOAD,
    &preempt_storm::WORKLOAD,
    &rt_starvation::WORKLOAD,
    &sequence::WORKLOAD,
    &schbench::WORKLOAD,
    &taobench::WORKLOAD,
    &custom::WORKLOAD,
];

/// The row of each of them.
pub fn rows() -> impl Iterator<Item = &'static Row> + Clone {
    ALL.iter().map(|workload| workload.row)
}

/// The row of the work type of that exact name.
#[must_use]
pub fn row(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name)
}

/// The work type of that exact name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Workload> {
    ALL.iter()
        .copied()
        .find(|workload| workload.row.name == name)
}

#[cfg(test)]
mod tests {
    use super::{ALL, rows};
    use crate::kit::slot::MAX_METRICS;
    use crate::plan::Plan;
    use crate::plan::sources::Sources;
    use crate::plan::token::Source;
    use crate::row::{Kind, LONGEST, MAX_HISTS, MAX_PARAMS, Value};
    use core::time::Duration;
    use std::collections::BTreeSet;
    use std::string::String;

    fn snake_case(name: &str) -> String {
        let mut snake = String::new();
        for c in name.chars() {
            if c.is_ascii_uppercase() && !snake.is_empty() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        snake
    }

    #[test]
    fn names_are_unique_and_stand_in_their_file() {
        let mut seen = BTreeSet::new();
        for row in rows() {
            assert!(seen.insert(row.name), "{} twice", row.name);
            let first = row.name.chars().next().unwrap();
            assert!(first.is_ascii_uppercase(), "{}", row.name);
            let file = std::format!("/{}.rs", snake_case(row.name));
            assert!(
                row.file.text().ends_with(&file),
                "{} in {}",
                file,
                row.file.text()
            );
        }
    }

    #[test]
    fn every_file_is_listed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/workloads");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.strip_suffix(".rs");
            // A folder holds the parts of the file of its name.
            let listed =
                rows().any(|row| snake_case(row.name) == stem.unwrap_or(&name));
            assert!(listed, "{name} is not in ALL");
            files += usize::from(stem.is_some());
        }
        assert_eq!(files, ALL.len());
    }

    /// A loop that goes on when a call fails leaves it to the row to say what
    /// the run is worth without it.
    #[test]
    fn a_call_whose_failures_are_counted_is_in_the_row() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/workloads");
        let mut counted = 0;
        for row in rows() {
            let file = std::format!("{}.rs", snake_case(row.name));
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            for part in text.split("failed(Op::").skip(1) {
                let call = part.split(',').next().unwrap();
                let mut ops = row.calls.iter();
                let named = ops.any(|op| std::format!("{op:?}") == call);
                assert!(named, "{} says nothing of {call}", row.name);
                counted += 1;
            }
        }
        assert!(counted > 4, "{counted}");
    }

    #[test]
    fn rows_are_complete_and_in_order() {
        for row in rows() {
            let name = row.name;
            assert!(row.summary.text().len() <= 60, "{name}: long summary");
            assert!(!row.summary.text().ends_with('.'), "{name}: full stop");
            assert!(!row.unit.is_empty(), "{name}: no unit");
            for text in [row.summary, row.path, row.proof] {
                assert!(!text.text().is_empty(), "{name}: an empty text");
            }
            assert!(row.params.len() <= MAX_PARAMS, "{name}");
            assert!(row.metrics.len() <= MAX_METRICS, "{name}");
            assert!(row.hists.len() <= MAX_HISTS, "{name}");
            for (i, param) in row.params.iter().enumerate() {
                assert_eq!(param.at(), i, "{name}.{}", param.name);
            }
            for (i, hist) in row.hists.iter().enumerate() {
                assert_eq!(hist.at(), i, "{name}.{}", hist.name);
                let wake = hist.name == "wake";
                assert_eq!(hist.rule.is_some(), wake, "{name}.{}", hist.name);
            }
            for (i, metric) in row.metrics.iter().enumerate() {
                assert_eq!(metric.at(), i, "{name}.{}", metric.name);
            }
            for hist in row.hists {
                let twice = row.hists.iter().filter(|h| h.name == hist.name);
                assert_eq!(twice.count(), 1, "{name}.{}", hist.name);
            }
            let mut names = BTreeSet::new();
            assert!(row.params.iter().all(|p| names.insert(p.name)), "{name}");
        }
    }

    #[test]
    fn defaults_are_valid() {
        for row in rows() {
            let mut work = row.work();
            for param in row.params {
                let value = param.kind.default();
                // What has no default is in the example.
                let given = row.example.contains(param.name);
                assert!(
                    given || work.set(param.name, value).is_ok(),
                    "{}.{}",
                    row.name,
                    param.name
                );
            }
            let runs = (row.check)(&work).is_ok();
            assert!(runs || !row.example.is_empty(), "{}", row.name);
            // One that works alone is no group.
            let size = row.group_size(&work);
            assert!(size.is_none_or(|size| size > 1), "{}", row.name);
        }
    }

    #[test]
    fn examples_are_runnable() {
        for row in rows() {
            let text = std::format!("work={} {}", row.name, row.example);
            let sources = Sources {
                args: Source::args(&text),
                ..Sources::default()
            };
            let plan = Plan::parse(&sources);
            assert!(plan.is_ok(), "{text}: {}", plan.unwrap_err());
        }
    }

    #[test]
    fn values_outside_the_range_are_refused() {
        for row in rows() {
            for param in row.params {
                let bad = match param.kind {
                    Kind::Count { max, .. } => Value::Count(max + 1),
                    Kind::CountOr { max, .. } => {
                        Value::Count(u64::from(max) + 1)
                    }
                    Kind::Duration { .. } => {
                        Value::Duration(LONGEST + Duration::from_nanos(1))
                    }
                    Kind::Choice { names, .. } => Value::Choice(names.len()),
                    Kind::Flag { .. } | Kind::Text { .. } => Value::Count(1),
                };
                let refused = row.work().set(param.name, bad).is_err();
                assert!(refused, "{}.{}", row.name, param.name);
            }
            let unknown = row.work().set("bogus", Value::Flag(true));
            assert!(unknown.is_err(), "{}", row.name);
        }
    }
}
