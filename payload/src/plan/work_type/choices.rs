//! Types for parameters that are words.
//!
//! This file is generated from the rows of `workloads/`:
//! `PIDONE_OVERWRITE=1 cargo test -p xtask --lib catalogue`.

use crate::plan::work_type::Argument;
use crate::row::Value;

choices! {
    /// What `echo` can be.
    Echo {
        Auto = "auto",
        Itself = "self",
        Pair = "pair",
        Arp = "arp",
    }
    /// What `handoff` can be.
    Handoff {
        Turn = "turn",
        Free = "free",
    }
    /// What `io_backing` can be.
    IoBacking {
        Tmpfs = "tmpfs",
        Device = "device",
    }
    /// What `mode` can be.
    Mode {
        Buffered = "buffered",
        Direct = "direct",
    }
    /// What `pace` can be.
    Pace {
        Parked = "parked",
        Free = "free",
    }
    /// What `pacing` can be.
    Pacing {
        Burst = "burst",
        Even = "even",
    }
    /// What `pi_mode` can be.
    PiMode {
        Plain = "plain",
        Pi = "pi",
    }
    /// What `profile` can be.
    Profile {
        Standard = "standard",
        Dcperf = "dcperf",
    }
    /// What `reap` can be.
    Reap {
        SigIgn = "sig_ign",
        Waitpid = "waitpid",
    }
    /// What `rt_limit` can be.
    RtLimit {
        Keep = "keep",
        Off = "off",
    }
    /// What `target` can be.
    Target {
        Running = "running",
        Sleeping = "sleeping",
    }
    /// What `wake` can be.
    Wake {
        Pipe = "pipe",
        Futex = "futex",
        FutexBroadcast = "futex_broadcast",
    }
    /// What `wakee_class` can be.
    WakeeClass {
        Cfs = "cfs",
        Batch = "batch",
        Idle = "idle",
        Rt = "rt",
        Deadline = "deadline",
        Ext = "ext",
    }
    /// What `waker_class` can be.
    WakerClass {
        Auto = "auto",
        Cfs = "cfs",
        Batch = "batch",
        Idle = "idle",
        Rt = "rt",
        Deadline = "deadline",
        Ext = "ext",
    }
    /// What `width` can be.
    Width {
        Scalar = "scalar",
        Vec128 = "vec128",
        Vec256 = "vec256",
        Vec512 = "vec512",
        Amx = "amx",
        Widest = "widest",
    }
}
