//! Reports of records that no machine sent.

use crate::decode::decode;
use crate::model::{Interval, Report, hex};
use crate::testing::{Stream, hist, wake_buckets};
use pidone::kit::histogram::{Histogram, Sparse};
use pidone::kit::shm::Arena;
use pidone::wire::record::{self, Pairs, Record, WakeRule};
use sha2::{Digest, Sha256};

#[test]
fn conditions_and_intervals_are_carried() {
    let mut stream = Stream::sample();
    stream.records.pop();
    stream
        .records
        .push(Stream::encode(&Record::Interval(record::Interval {
            run: 0,
            group: 0,
            end_ms: 500,
            values: Pairs("requests=12"),
        })));
    stream
        .records
        .push(Stream::encode(&Record::Expect(record::Expect {
            run: 1,
            text: "rate>1",
            held: false,
            milli: None,
        })));
    let stream = stream.closed();
    let report = Report::new(&decode(stream.once().as_bytes()).newest());
    let [one, two] = &report.runs[..] else {
        panic!("two runs");
    };
    let json = serde_json::to_value(&one.expect).unwrap();
    let expected = serde_json::json!(
        [{"text": "wake.p99<500us", "held": true, "value": 120.5}]
    );
    assert_eq!(json, expected);
    assert_eq!(two.expect[0].value, None);
    let [Interval { end_ms, values, .. }] = &one.intervals[..] else {
        panic!("one interval");
    };
    assert_eq!((*end_ms, values["requests"]), (500, 12));
}

/// From the histogram in shared memory through a record to percentiles.
#[test]
fn more_samples_than_32_bits_count_keep_their_median() {
    const SHORT: u64 = (1 << 32) + 10;
    let arena = Arena::new(3 * size_of::<Histogram>()).unwrap();
    let [all, unit, copy] = arena.slice::<Histogram>(3).unwrap() else {
        panic!("three histograms");
    };
    // A binary number of samples of 100 ns, by doubling.
    unit.record(100);
    for bit in 0..=32 {
        if SHORT >> bit & 1 == 1 {
            unit.add_to(all);
        }
        copy.clear();
        unit.add_to(copy);
        copy.add_to(unit);
    }
    all.record(1_000_000_000);
    let summary = all.summary();
    assert_eq!(summary.count, SHORT + 1);
    let mut buckets = [0; 64];
    let used = Sparse::encode(all.occupied(), &mut buckets).unwrap();
    let bytes = Stream::encode(&Record::Hist(record::Hist {
        run: 0,
        group: 0,
        name: "call",
        rule: None,
        unit: "ns",
        count: summary.count,
        sum_ns: summary.sum_ns,
        min_ns: summary.min_ns,
        max_ns: summary.max_ns,
        buckets: &buckets[..used],
        worker: None,
    }));
    let Ok(Record::Hist(decoded)) = Record::decode(&bytes) else {
        panic!("a histogram");
    };
    let hist = super::hist(&decoded).unwrap();
    assert_eq!((hist.p50_ns, hist.p999_ns), (100, 100));
    assert_eq!(hist.max_ns, 1_000_000_000);
    assert_eq!(hist.buckets[0], (100, SHORT));
    assert_eq!(hist.buckets[1].1, 1);
}

#[test]
fn histograms_of_workers_are_theirs_and_not_in_the_digest() {
    let buckets = wake_buckets();
    let mut stream = Stream::sample();
    stream.records.pop();
    let mut of_worker = hist(0, "wake", Some(WakeRule::Pair), &buckets);
    if let Record::Hist(hist) = &mut of_worker {
        hist.worker = Some(1);
        hist.count = 7;
    }
    stream.records.push(Stream::encode(&of_worker));
    let stream = stream.closed();
    let report = Report::new(&decode(stream.once().as_bytes()).newest());
    let group = &report.runs[0].groups[0];
    assert_eq!(group.hist["wake"].count, 48_200);
    assert!(group.workers[0].hist.is_empty());
    assert_eq!(group.workers[1].hist["wake"].count, 7);
    let other = decode(Stream::sample().once().as_bytes()).newest();
    assert_eq!(report.digest, Report::new(&other).digest);
    assert!(report.digest.is_some());
}

#[test]
fn a_scheduler_is_told_of_before_in_and_behind_runs() {
    let scheduler = |run, state: &'static str| {
        Stream::encode(&Record::Scheduler(record::Scheduler {
            run,
            name: "fifo",
            state,
            switch_all: Some(true),
            enable_seq: Some(1),
            nr_rejected: None,
            events: "SCX_EV_A 0\nSCX_EV_B 7\n",
            output: b"one\nt\xffo",
            dropped: 0,
        }))
    };
    let mut stream = Stream::sample();
    stream.records.pop();
    stream.records.insert(2, scheduler(None, "enabled"));
    stream.records.push(scheduler(Some(1), "enabled"));
    stream.records.push(scheduler(None, "disabled"));
    let stream = stream.closed();
    let report = Report::new(&decode(stream.once().as_bytes()).newest());
    let scx = report.scx.unwrap();
    assert_eq!(scx.loaded.state, "enabled");
    assert_eq!(scx.after.unwrap().state, "disabled");
    assert!(report.runs[0].scx.is_none());
    let run = report.runs[1].scx.as_ref().unwrap();
    assert_eq!((run.events["SCX_EV_A"], run.events["SCX_EV_B"]), (0, 7));
    assert_eq!(run.output, ["one", "t\u{fffd}o"]);
    // What is in no run does not enter the digest.
    let mut other = Stream::sample();
    other.records.pop();
    other.records.push(scheduler(Some(1), "enabled"));
    let other = decode(other.closed().once().as_bytes()).newest();
    assert_eq!(report.digest, Report::new(&other).digest);
}

#[test]
fn the_digest_is_the_same_on_every_host() {
    let stream = Stream::sample();
    let mut all = Vec::new();
    for bytes in &stream.records {
        let record = Record::decode(bytes).unwrap();
        if record.result_of().is_some() {
            let len = u32::try_from(bytes.len()).unwrap();
            all.extend([&len.to_le_bytes()[..], bytes].concat());
        }
    }
    let digest = hex(&Sha256::digest(all));
    let report = Report::new(&decode(stream.once().as_bytes()).newest());
    assert_eq!(report.digest, Some(digest));
}
