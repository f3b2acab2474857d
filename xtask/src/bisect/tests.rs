//! Real histories in git, with kernels that are files: what they measure is
//! what is written in them.

use super::decide::Scale;
use super::git::Repo;
use super::state::{Boot, Mark, State};
use super::{Answer, Bisection, BisectionOptions, Lab, Measurement};
use crate::evidence::Verdict;
use crate::metrics::Better;
use crate::untrusted::hidden;
use anyhow::{Result, bail};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A history: what each commit has in its `kernel`, the good end first.
struct History {
    dir: TempDir,
    commits: Vec<String>,
}

impl History {
    fn new(kernels: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("linux");
        fs::create_dir(&tree).unwrap();
        git(&tree, &["init", "-q", "-b", "main"]);
        for name in ["Kconfig", "Kbuild"] {
            fs::write(tree.join(name), "").unwrap();
        }
        let commits = kernels.iter().enumerate().map(|(n, kernel)| {
            fs::write(tree.join("kernel"), format!("{kernel} {n}")).unwrap();
            git(&tree, &["add", "."]);
            git(&tree, &["commit", "-q", "-m", &format!("{n}: {kernel}")]);
            git(&tree, &["rev-parse", "HEAD"])
        });
        let commits = commits.collect();
        Self { dir, commits }
    }

    fn tree(&self) -> PathBuf {
        self.dir.path().join("linux")
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("state.json")
    }

    /// Bisects, and takes up what is in the file.
    fn bisect(
        &self,
        asked: &BisectionOptions,
        lab: &mut Fake,
    ) -> Result<Answer> {
        let place = self.dir.path().join("work");
        let repo = Repo::open(&self.tree(), &place)?;
        let (good, bad) = (self.commits.first(), self.commits.last());
        let mut state = State::read(&self.file())?.unwrap_or_else(|| State {
            schema: crate::finished::SCHEMA,
            good: good.unwrap().clone(),
            bad: bad.unwrap().clone(),
            ..State::default()
        });
        lab.place = place;
        lab.images = self.dir.path().to_path_buf();
        let mut bisection = Bisection {
            repo: &repo,
            state: &mut state,
            file: &self.file(),
            asked: asked.clone(),
        };
        let answer = bisection.run(lab)?;
        let history =
            repo.between(&state_of(self).good, &state_of(self).bad)?;
        lab.report = Bisection {
            repo: &repo,
            state: &mut state_of(self),
            file: &self.file(),
            asked: asked.clone(),
        }
        .report(&answer, &history);
        Ok(answer)
    }

    /// The number of the commit that was found.
    fn found(&self, answer: &Answer) -> usize {
        let Answer::Found { commit, parent, .. } = answer else {
            panic!("{answer:?}");
        };
        let at = self.commits.iter().position(|c| c == commit).unwrap();
        assert_eq!(*parent, self.commits[at - 1]);
        at
    }
}

fn state_of(history: &History) -> State {
    State::read(&history.file()).unwrap().unwrap()
}

fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(["-c", "user.name=a", "-c", "user.email=a@b"])
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "git {args:?}: {said}");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// Builds `kernel` by copying it, and boots it by reading a number.
struct Fake {
    place: PathBuf,
    images: PathBuf,
    random: Xoshiro256PlusPlus,
    /// Boots spread by this share.
    noise: f64,
    /// Each boot is slower than the last by this share.
    drift: f64,
    boots: usize,
    builds: usize,
    /// The tool fails at this boot.
    fails_at: Option<usize>,
    initramfs: &'static str,
    /// How far seeds are known to move what it measures.
    steady: Option<f64>,
    /// The commit of each boot, by its number in the history.
    order: Vec<String>,
    said: Vec<String>,
    report: String,
}

impl Fake {
    fn new(noise: f64, seed: u64) -> Self {
        Self {
            place: PathBuf::new(),
            images: PathBuf::new(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            noise,
            drift: 0.0,
            boots: 0,
            builds: 0,
            fails_at: None,
            initramfs: "one",
            steady: Some(0.01),
            order: Vec::new(),
            said: Vec::new(),
            report: String::new(),
        }
    }

    /// Between 0 and 1.
    fn draw(&mut self) -> f64 {
        self.random.next_u64() as f64 / 2.0_f64.powi(64)
    }
}

impl Lab for Fake {
    fn build(&mut self) -> Result<core::result::Result<PathBuf, String>> {
        self.builds += 1;
        let kernel = fs::read_to_string(self.place.join("kernel"))?;
        if kernel.starts_with("broken") {
            return Ok(Err("it does not build".to_owned()));
        }
        let image = self.images.join(format!("image {kernel}"));
        fs::write(&image, kernel)?;
        Ok(Ok(image))
    }

    fn boot(&mut self, image: &Path, seed: Option<u64>) -> Result<Measurement> {
        self.boots += 1;
        if self.fails_at == Some(self.boots) {
            bail!("interrupted");
        }
        let kernel = fs::read_to_string(image)?;
        let number = kernel.rsplit(' ').next().unwrap();
        self.order.push(number.to_owned());
        let mut words = kernel.split(' ');
        let mut boot = Boot {
            seed,
            ..Boot::default()
        };
        match words.next().unwrap() {
            "dead" => boot.why = "it does not boot".to_owned(),
            "crash" => boot.bad = true,
            // Fails so often in a hundred boots.
            "flaky" => {
                let often: f64 = words.next().unwrap().parse()?;
                let failed = self.draw() * 100.0 < often;
                boot.value = Some(f64::from(u8::from(failed)));
            }
            number => {
                let sum: f64 = (0..4).map(|_| self.draw() - 0.5).sum();
                let seeded = seed.unwrap_or(0) as f64 * 0.001;
                let drift = self.drift * self.boots as f64;
                let number: f64 = number.parse()?;
                let all = 1.0 + sum * self.noise + seeded + drift;
                boot.value = Some(number * all);
            }
        }
        boot.steady = self.steady;
        Ok(Measurement {
            boot,
            initramfs: self.initramfs.to_owned(),
            unit: "ns".to_owned(),
            resolution: 0.0,
        })
    }

    fn say(&mut self, text: &str) {
        self.said.push(text.to_owned());
    }
}

fn scale(condition: bool) -> Scale {
    Scale {
        name: "wake.p50".to_owned(),
        unit: String::new(),
        better: Better::Lower,
        margin: 0.005,
        condition,
    }
}

fn exact() -> BisectionOptions {
    BisectionOptions {
        scale: scale(false),
        seed: Some(1),
        boots: 2,
        confidence: 0.95,
        most: 40,
    }
}

fn noisy(boots: usize) -> BisectionOptions {
    BisectionOptions {
        seed: None,
        boots,
        ..exact()
    }
}

const SLOWER: [&str; 10] = [
    "100", "100", "100.1", "100", "broken", "99.9", "103", "103", "103.1",
    "103",
];

#[test]
fn the_commit_that_made_it_worse_is_found_by_one_boot_a_step() {
    let history = History::new(&SLOWER);
    // What the user has in hand stays there.
    let tree = history.tree();
    fs::write(tree.join("kernel"), "mine").unwrap();
    let before = git(&tree, &["status", "--porcelain"]);
    assert!(Repo::dirty(&tree).unwrap());
    let mut lab = Fake::new(0.0, 1);
    let answer = history.bisect(&exact(), &mut lab).unwrap();
    assert_eq!(history.found(&answer), 6);
    let Answer::Found { apart, .. } = &answer else {
        panic!("{answer:?}");
    };
    assert!(
        (apart.estimate.unwrap() - 3.1 / 99.9).abs() < 1e-9,
        "{apart:?}"
    );
    let state = state_of(&history);
    for step in &state.steps {
        let boots = state.boots(&step.commit).len();
        let skipped = step.mark == Mark::Skip;
        assert_eq!(boots, usize::from(!skipped), "{step:?}");
    }
    assert!(state.steps.iter().any(|step| step.mark == Mark::Skip));
    // Two ends and the culprit and its parent twice, and what lies between.
    let steps = state.steps.iter().filter(|step| step.mark != Mark::Skip);
    assert_eq!(lab.boots, 4 + steps.count() + 2);
    assert_eq!(git(&tree, &["status", "--porcelain"]), before);
    assert_eq!(git(&tree, &["symbolic-ref", "HEAD"]), "refs/heads/main");
    for part in [
        "found: ",
        " 6: 103\n",
        "wake.p50 +3.10 %",
        "by what seeds do",
        " skip ",
        "good end",
        "bad end",
        "boots in all",
    ] {
        assert!(lab.report.contains(part), "{part}: {}", lab.report);
    }
    assert!(lab.said.iter().any(|line| line.contains("roughly")));
}

/// One of these takes two boots.
const TWICE: [&str; 5] = ["100", "100", "104", "104", "110"];

#[test]
fn it_goes_on_where_it_was_interrupted() {
    interrupted(&SLOWER);
    interrupted(&TWICE);
}

fn interrupted(kernels: &[&str]) {
    let history = History::new(kernels);
    let mut whole = Fake::new(0.0, 1);
    let answer = history.bisect(&exact(), &mut whole).unwrap();
    let finished = state_of(&history);
    // At every boot, and again at the next.
    fs::remove_file(history.file()).unwrap();
    let mut boots = 0;
    let mut builds = 0;
    for _ in 0..whole.boots {
        let mut lab = Fake::new(0.0, 1);
        lab.fails_at = Some(2);
        let error = history.bisect(&exact(), &mut lab);
        boots += lab.boots - usize::from(error.is_err());
        builds += lab.builds;
        // What a kill leaves behind.
        let work = history.dir.path().join("work");
        let lock = git(&work, &["rev-parse", "--git-path", "index.lock"]);
        fs::write(work.join(lock), "").unwrap();
    }
    let mut lab = Fake::new(0.0, 1);
    assert_eq!(history.bisect(&exact(), &mut lab).unwrap(), answer);
    assert_eq!(state_of(&history), finished);
    // Nothing was measured or built twice.
    assert_eq!(lab.boots, 0);
    assert_eq!(boots, whole.boots);
    assert_eq!(builds, whole.builds);
}

#[test]
fn ends_that_are_alike_are_refused_and_swapped_ones_named() {
    let history = History::new(&["100", "100.3", "100.2", "100.3"]);
    let mut three = exact();
    three.boots = 3;
    let answer = history.bisect(&three, &mut Fake::new(0.0, 1)).unwrap();
    let Answer::Refused(why) = answer else {
        panic!("{answer:?}");
    };
    assert!(
        why.contains("both ends are alike: wake.p50 +0.30 %"),
        "{why}"
    );
    // More than does not count, and less than seeds are known to make.
    let history = History::new(&["100", "100", "100.8"]);
    let answer = history.bisect(&exact(), &mut Fake::new(0.0, 1)).unwrap();
    let Answer::Refused(why) = answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("cannot be told apart by 2 boots"), "{why}");
    assert!(why.contains("--seeds 3 would probably do"), "{why}");
    let history = History::new(&["103", "103", "100"]);
    let error = history.bisect(&exact(), &mut Fake::new(0.0, 1));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("are they swapped? --better"), "{error}");
    // The same, if that is what is looked for.
    fs::remove_file(history.file()).unwrap();
    for better in [Better::Higher, Better::Neither] {
        let mut asked = exact();
        asked.scale.better = better;
        let answer = history.bisect(&asked, &mut Fake::new(0.0, 1)).unwrap();
        assert_eq!(history.found(&answer), 2);
    }
    for (kernels, why) in [
        (["broken", "100", "103"], "the good end does not build"),
        (["100", "100", "dead"], "the bad end cannot be judged"),
    ] {
        let history = History::new(&kernels);
        let answer = history.bisect(&exact(), &mut Fake::new(0.0, 1));
        let Ok(Answer::Refused(said)) = answer else {
            panic!("{answer:?}");
        };
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn what_cannot_be_judged_is_never_blamed_alone() {
    let history = History::new(&["100", "100", "broken", "dead", "103"]);
    let answer = history.bisect(&exact(), &mut Fake::new(0.0, 1)).unwrap();
    let Answer::OneOf(all) = &answer else {
        panic!("{answer:?}");
    };
    let mut expected = history.commits[2..].to_vec();
    let mut all = all.clone();
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn a_commit_between_both_ends_is_told_from_them() {
    let history = History::new(&TWICE);
    let mut lab = Fake::new(0.0, 1);
    let answer = history.bisect(&exact(), &mut lab).unwrap();
    assert_eq!(history.found(&answer), 4);
    let state = state_of(&history);
    let between = |step: &&super::Step| step.why.contains("between both ends");
    let step = state.steps.iter().find(between).unwrap();
    assert_eq!(state.boots(&step.commit).len(), 2);
}

#[test]
fn another_initramfs_is_not_mixed_with_the_first() {
    let history = History::new(&SLOWER);
    let mut lab = Fake::new(0.0, 1);
    lab.fails_at = Some(3);
    assert!(history.bisect(&exact(), &mut lab).is_err());
    let mut lab = Fake::new(0.0, 1);
    lab.initramfs = "other";
    let error = history.bisect(&exact(), &mut lab).unwrap_err();
    assert!(error.to_string().contains("--restart"), "{error}");
}

#[test]
fn what_another_release_wrote_is_named_and_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.json");
    assert_eq!(State::resumed(&file, false).unwrap(), None);
    let mut state = State {
        schema: crate::finished::SCHEMA,
        good: "a".to_owned(),
        ..State::default()
    };
    state.write(&file).unwrap();
    assert_eq!(State::resumed(&file, false).unwrap(), Some(state.clone()));
    assert_eq!(State::resumed(&file, true).unwrap(), None);
    state.schema += 1;
    state.write(&file).unwrap();
    let said = format!("{:#}", State::resumed(&file, false).unwrap_err());
    for part in ["--restart measures everything anew", "state.json: schema "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // It need not be understood to be done without.
    fs::write(&file, "{").unwrap();
    assert!(State::resumed(&file, false).is_err());
    assert_eq!(State::resumed(&file, true).unwrap(), None);
}

#[test]
fn noise_and_drift_take_more_boots_and_the_same_commit_is_found() {
    // Four uniform draws: a standard deviation of 0.58 times the noise.
    for seed in 0..3 {
        let history = History::new(&SLOWER);
        let mut lab = Fake::new(0.01, seed);
        // 4 % in fifty boots, which is more than what is looked for.
        lab.drift = 0.0008;
        let answer = history.bisect(&noisy(12), &mut lab).unwrap();
        assert_eq!(history.found(&answer), 6, "seed {seed}");
        let state = state_of(&history);
        for step in &state.steps {
            let boots = state.boots(&step.commit);
            let skipped = step.mark == Mark::Skip;
            assert!(skipped || boots.len() > 1, "{step:?}");
            assert!(skipped || step.why.contains("% sure"), "{step:?}");
        }
        // Verified by new boots, not by those that led there.
        assert_eq!(state.verified.map(|boots| boots.len()), [12, 12]);
    }
}

#[test]
fn what_noise_hides_is_refused_and_more_boots_are_asked_for() {
    let history = History::new(&SLOWER);
    let mut lab = Fake::new(0.06, 1);
    let answer = history.bisect(&noisy(8), &mut lab).unwrap();
    let Answer::Refused(why) = answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("--runs"), "{why}");
    // More of them go on from these.
    let boots = lab.boots;
    let mut lab = Fake::new(0.06, 2);
    let _any = history.bisect(&noisy(9), &mut lab).unwrap();
    assert_eq!((boots, lab.boots), (16, 2));
}

#[test]
fn a_commit_that_fails_now_and_then_is_found() {
    let often = ["flaky 2", "flaky 2", "flaky 2", "flaky 60", "flaky 60"];
    let history = History::new(&often);
    let mut asked = noisy(12);
    asked.scale = scale(true);
    let mut lab = Fake::new(0.0, 1);
    let answer = history.bisect(&asked, &mut lab).unwrap();
    assert_eq!(history.found(&answer), 3);
}

/// A seed that says yes is one of many, as a seed's figure is.
#[test]
fn conditions_of_deterministic_machines_take_every_seed() {
    let history = History::new(&["flaky 0", "flaky 0", "flaky 0", "flaky 100"]);
    let mut asked = exact();
    asked.scale = scale(true);
    let mut lab = Fake::new(0.0, 1);
    lab.steady = None;
    asked.boots = 1;
    let answer = history.bisect(&asked, &mut lab).unwrap();
    let Answer::Refused(why) = answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("cannot be told apart by 1 boot "), "{why}");
    asked.boots = 5;
    let answer = history.bisect(&asked, &mut lab).unwrap();
    assert_eq!(history.found(&answer), 3);
    let state = state_of(&history);
    for step in &state.steps {
        assert_eq!(state.boots(&step.commit).len(), 5, "{step:?}");
    }
}

/// Neither end goes first always, nor the commit behind the good end, nor the
/// culprit behind its parent.
#[test]
fn sides_take_turns() {
    let history = History::new(&["100", "100", "110", "110"]);
    let mut lab = Fake::new(0.01, 1);
    let answer = history.bisect(&noisy(8), &mut lab).unwrap();
    assert_eq!(history.found(&answer), 2);
    let ends = ["0", "3", "3", "0"].repeat(4);
    assert_eq!(lab.order[..16], ends);
    let verified = lab.order.len() - 16;
    let culprit = ["1", "2", "2", "1"].repeat(4);
    assert_eq!(lab.order[verified..], culprit);
    for step in lab.order[16..verified].chunk_by(|x, y| x == y) {
        assert!(step.len() < 3, "{:?}", lab.order);
    }
    assert!(lab.order[16..verified].chunks(2).any(|both| both[1] == "0"));
}

/// Ends that are alike, looked at again with more boots as it is said to do.
#[test]
fn looking_at_the_ends_again_finds_no_more_than_is_stated() {
    let mut random = Fake::new(0.0, 5);
    let mut boot = || Boot {
        // At the margin, where most is found that is none.
        value: Some(100.0 + (0..4).map(|_| random.draw()).sum::<f64>()),
        ..Boot::default()
    };
    let scale = scale(false);
    let (mut found, all) = (0, 400);
    for _ in 0..all {
        let good: Vec<Boot> = (0..40).map(|_| boot()).collect();
        let bad: Vec<Boot> = (0..40)
            .map(|_| {
                let mut boot = boot();
                boot.value = boot.value.map(|value| value * 1.005);
                boot
            })
            .collect();
        let mut looks = Vec::new();
        found += usize::from([6, 8, 12, 16, 24, 32, 40].iter().any(|&n| {
            let look = super::look(&mut looks, n);
            let apart = scale.apart(&good[..n], &bad[..n], look);
            matches!(apart.verdict, Verdict::Worse | Verdict::Better)
        }));
    }
    assert!(found * 20 <= all, "{found} of {all}");
}

#[test]
fn a_look_counts_once_however_often_it_is_taken_up_again() {
    let mut looks = Vec::new();
    let numbers = [8, 8, 16, 8, 24, 16].map(|n| super::look(&mut looks, n));
    assert_eq!(numbers, [1, 1, 2, 1, 3, 2]);
    // And it is kept with all else that is known.
    let history = History::new(&SLOWER);
    let _any = history.bisect(&noisy(8), &mut Fake::new(0.06, 1)).unwrap();
    let _any = history.bisect(&noisy(9), &mut Fake::new(0.06, 2)).unwrap();
    assert_eq!(state_of(&history).looks, [8, 9]);
}

#[test]
fn crashes_count_as_bad_where_they_are_asked_to() {
    let history = History::new(&["100", "100", "crash", "crash"]);
    let answer = history.bisect(&exact(), &mut Fake::new(0.0, 1)).unwrap();
    assert_eq!(history.found(&answer), 2);
}

#[test]
fn a_culprit_that_is_like_its_parent_is_not_confirmed() {
    let history = History::new(&SLOWER);
    let asked = noisy(12);
    let mut lab = Fake::new(0.01, 3);
    history.bisect(&asked, &mut lab).unwrap();
    // As if chance had led there: the boots to verify it are all alike.
    let mut state = state_of(&history);
    state.verified[1] = state.verified[0].clone();
    state.write(&history.file()).unwrap();
    let answer = history.bisect(&asked, &mut lab).unwrap();
    let Answer::Unconfirmed { commit, why } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(commit, history.commits[6]);
    assert!(why.contains("beside its parent"), "{why}");
}

#[test]
fn what_commits_are_called_is_a_line_and_no_more() {
    let called = |with: &str| {
        let kernels = ["100", "100", "103", "103"];
        let kernels = kernels.map(|kernel| format!("{kernel} {with}"));
        let kernels = kernels.iter().map(String::as_str);
        let history = History::new(&kernels.collect::<Vec<_>>());
        let mut lab = Fake::new(0.0, 1);
        let answer = history.bisect(&exact(), &mut lab).unwrap();
        assert_eq!(history.found(&answer), 2);
        (lab.report, lab.said)
    };
    let (plain, said) = called("x");
    for with in [
        "\x1b[2J\x1b]0;owned\x07",
        "\u{9b}31mred",
        "\u{202e}gnp.exe",
        "a\n::stop-commands::b",
        "a\r\x08\x08found: ",
        "a\u{2028}found: b",
        "<!-- ```",
    ] {
        let (report, now) = called(with);
        assert_eq!(report.lines().count(), plain.lines().count(), "{report}");
        assert_eq!(now.len(), said.len(), "{now:?}");
        for text in now.iter().chain([&report]) {
            let bad = |c: char| hidden(c) && c != '\n';
            assert!(!text.contains(bad), "{text:?}");
        }
    }
}
