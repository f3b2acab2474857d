//! What is found of features by boots that no machine made.

use super::{Feature, Question, features, render};
use crate::compare::{ComparisonOptions, Side};
use crate::evidence::Verdict;
use crate::exit::Exit;
use crate::finished::FinishedBoot;
use crate::metrics::Selector;
use crate::model::Outcome;
use crate::model::tunable::Tunable;
use crate::testing;
use pidone::wire::record;

/// A boot with a run of PipeIo of so many round trips, pinned to a CPU.
fn boot(name: &str, rate: u64) -> FinishedBoot {
    let mut boot = testing::boot();
    boot.dir = name.into();
    let report = &mut boot.report;
    report.runs.truncate(1);
    report.digest = Some(rate.to_string());
    let run = &mut report.runs[0];
    run.reasons.clear();
    run.tunables.push(Tunable {
        name: "sched_features".to_owned(),
        before: "PLACE_LAG NO_HRTICK DELAY_DEQUEUE".to_owned(),
        value: "PLACE_LAG NO_HRTICK DELAY_DEQUEUE".to_owned(),
    });
    let group = &mut run.groups[0];
    group.workers[0].iterations = rate;
    group.workers[1].iterations = 0;
    for worker in &mut group.workers {
        worker.cpus_allowed = vec![0];
    }
    boot
}

fn side(name: &str, rate: u64) -> Side {
    Side {
        name: name.to_owned(),
        boots: vec![boot(name, rate)],
    }
}

fn question(against: Option<u64>) -> Question {
    Question {
        plan: vec!["work=PipeIo".to_owned()],
        as_is: side("new", 90_000),
        against: against.map(|rate| side("old", rate)),
        asked: ComparisonOptions {
            metrics: vec![Selector::parse("rate").unwrap()],
            all: false,
            rest: false,
            margin: 0.005,
            look: 1,
        },
    }
}

#[test]
fn the_kernel_says_which_features_it_has() {
    let all = features(&boot("a", 1)).unwrap();
    let flipped: Vec<String> = all.iter().map(Feature::flipped).collect();
    assert_eq!(flipped, ["NO_PLACE_LAG", "HRTICK", "NO_DELAY_DEQUEUE"]);
    assert_eq!((all[1].on, all[2].on), (false, true));
}

#[test]
fn a_kernel_without_features_says_why() {
    let mut none = boot("a", 1);
    none.meta.kernel.spec = "built:6.12".to_owned();
    none.meta.exit_code = Exit::CannotTell;
    let run = &mut none.report.runs[0];
    run.tunables.clear();
    run.verdict = record::Verdict::Skip;
    run.reasons = vec!["NO_CONFIG:CONFIG_DEBUG_FS".to_owned()];
    let unable = features(&none).unwrap_err();
    assert_eq!(unable.exit, Exit::CannotTell);
    let said = "built:6.12: PipeIo skip: NO_CONFIG:CONFIG_DEBUG_FS";
    assert_eq!(unable.to_string(), said);
    // One that is no worse than it seems has an exit code that says so.
    none.meta.exit_code = Exit::Bad;
    assert_eq!(features(&none).unwrap_err().exit, Exit::Bad);
}

#[test]
fn what_moves_comes_first_with_its_share_of_the_difference() {
    let question = question(Some(100_000));
    let difference = question.difference().unwrap();
    assert_eq!(difference[0].verdict, Verdict::Worse);
    let all = features(&question.as_is.boots[0]).unwrap();
    // Nothing, some of the difference, and most of it.
    let tried = all.iter().zip([90_009, 94_000, 98_000]);
    let tried = tried.map(|(feature, rate)| {
        let boots = vec![boot("x", rate)];
        question.tried(feature, boots, &difference).unwrap()
    });
    let knobs = question.knobs(difference.clone(), tried.collect());
    let names = |of: &super::Knobs| -> Vec<String> {
        of.features.iter().map(|it| it.feature.clone()).collect()
    };
    assert_eq!(names(&knobs), ["DELAY_DEQUEUE", "HRTICK", "PLACE_LAG"]);
    let [most, some, none] = &knobs.features[..] else {
        panic!("{knobs:?}");
    };
    let figure = &most.figures[0];
    assert_eq!((figure.verdict, figure.moved()), (Verdict::Better, true));
    assert!((figure.of_difference.unwrap() - 0.8).abs() < 1e-9);
    assert!((some.figures[0].of_difference.unwrap() - 0.4).abs() < 1e-9);
    assert!(!none.figures[0].moved());
    assert_eq!((knobs.untried, knobs.exit_code), (0, Exit::Good));
    let text = render(&knobs);
    let head = "new, work=PipeIo\non QEMU TCG, emulated, deterministic: time \
                counts instructions\n";
    assert!(text.starts_with(head), "{text}");
    for said in [
        "PipeIo rate -10.00 %",
        "worse",
        "+8.89 %",
        "80 %",
        "nothing (0.01 % at most)",
        "2 of 3 features move a figure\n",
    ] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
    let json = serde_json::to_value(&knobs).unwrap();
    assert_eq!(json["features"][0]["feature"], "DELAY_DEQUEUE");
    assert_eq!(json["features"][0]["figures"][0]["verdict"], "better");
    assert_eq!(json["exit_code"], 0);
}

#[test]
fn what_was_not_tried_or_not_taken_cannot_be_told() {
    let question = question(None);
    let all = features(&question.as_is.boots[0]).unwrap();
    let mut ignored = boot("x", 50_000);
    let reasons = &mut ignored.report.runs[0].reasons;
    reasons.push("READ_BACK:sched_features=HRTICK".to_owned());
    let mut failed = boot("x", 50_000);
    failed.meta.exit_code = Exit::Bad;
    failed.report.outcome = Outcome::Panic;
    let boots = [Vec::new(), vec![ignored], vec![failed]];
    let tried = all.iter().zip(boots);
    let tried: Vec<_> = tried
        .map(|(feature, boots)| question.tried(feature, boots, &[]).unwrap())
        .collect();
    let codes = [Exit::CannotTell, Exit::CannotTell, Exit::Bad];
    assert!(tried.iter().map(|it| it.exit_code).eq(codes), "{tried:?}");
    assert!(tried.iter().all(|it| it.figures.is_empty()), "{tried:?}");
    let knobs = question.knobs(Vec::new(), tried);
    assert_eq!((knobs.untried, knobs.exit_code), (1, Exit::Bad));
    let text = render(&knobs);
    for said in [
        "? PipeIo ok: READ_BACK",
        "? panic",
        "\nnot tried, which the same with --resume does: PLACE_LAG\n",
    ] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
}
