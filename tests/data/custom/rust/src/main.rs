//! PID 1 with two work types of its own: a pair that passes a word back and
//! forth, and a function.

#![no_std]
#![no_main]

use pidone::ctx::Ctx;
use pidone::kit::clock::now;
use pidone::kit::stop::Stop;
use pidone::row::{Hist, Metric, Shared};
use pidone::wire::record::WakeRule;
use pidone::workloads::custom::config::CustomCfg;
use pidone::workloads::custom::types::{CustomWork, Setup};

/// Two workers pass a futex word back and forth.
struct Pass;

const WAKE: Hist =
    Hist::wake(0, WakeRule::Pair, "before the partner's wake to running");

const BURST: Metric = Metric::max(0, "burst", "custom.u64.0, as the loop saw");

impl CustomWork for Pass {
    const NAME: &'static str = "Pass";
    const HISTS: &'static [Hist] = &[WAKE];
    const METRICS: &'static [Metric] = &[BURST];

    fn group_size(_: &CustomCfg) -> Option<u32> {
        Some(2)
    }

    fn shared(_: &CustomCfg, _: u32) -> Shared {
        Shared {
            words: 1,
            stamps: 2,
            ..Shared::NONE
        }
    }

    fn setup(setup: &Setup<'_>) -> Result<(), Stop> {
        setup.need_cpus(2)
    }

    fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
        let burst = c.config().u64s[0];
        c.start();
        c.metric_max(&BURST, burst);
        let (word, own) = (c.word(0), c.pos());
        while !c.stop() {
            c.spin(burst);
            let (mine, stamp) = (|turn| turn == own, c.stamp(own));
            if c.wait_stamped(word, mine, &WAKE, stamp).is_none() {
                break;
            }
            c.stamp(1 - own).set(now());
            word.set(1 - own);
            c.wake(word, 1);
            c.units(1);
            c.iteration();
        }
        Ok(())
    }
}

/// Counts as far as it is told and then panics, or goes on.
fn probe(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    while !c.stop() {
        c.spin(1024);
        c.iteration();
        assert!(!c.config().bools[0], "told to panic");
    }
    Ok(())
}

/// Counts nothing.
fn idle(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    while !c.stop() {
        c.sched_yield();
    }
    Ok(())
}

pidone::init!(
    Pass,
    pidone::fn_work!("probe", probe),
    pidone::fn_work!("idle", idle),
);
