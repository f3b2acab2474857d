//! The first bad commit: both ends are measured, told apart, and what lies
//! between them is searched with `git bisect`.
//!
//! Everything that is known is in a [`State`], which is kept after every boot:
//! whoever comes back to it replays what git was told and goes on. What builds
//! and boots kernels is a [`Lab`], so that tests have one of their own.

pub mod decide;
pub mod git;
pub mod show;
pub mod state;

use crate::evidence::{self, End, Evidence, Verdict};
use crate::interrupt;
use crate::metrics::Better;
use crate::text::several;
use anyhow::{Result, bail};
use decide::Scale;
use git::{Next, Repo};
use state::{Boot, Mark, State, Step};
use std::path::{Path, PathBuf};

/// What builds and boots.
pub trait Lab {
    /// Builds what is in the worktree. `Err` in `Ok` is why the kernel does
    /// not build.
    ///
    /// # Errors
    ///
    /// The tool failed, which says nothing of the commit.
    fn build(&mut self) -> Result<core::result::Result<PathBuf, String>>;

    /// Boots a kernel.
    ///
    /// # Errors
    ///
    /// The tool failed, which says nothing of the kernel.
    fn boot(&mut self, image: &Path, seed: Option<u64>) -> Result<Measurement>;

    /// Says what is being done.
    fn say(&mut self, text: &str);
}

/// A boot, what was measured of it, and the initramfs that it ran.
#[derive(Debug, Clone, Default)]
pub struct Measurement {
    /// The boot.
    pub boot: Boot,
    /// Hash of the initramfs.
    pub initramfs: String,
    /// The unit of what was measured.
    pub unit: String,
    /// Smaller differences than this share are made by rounding.
    pub resolution: f64,
}

/// How to go about it.
#[derive(Debug, Clone)]
pub struct BisectionOptions {
    /// What is measured.
    pub scale: Scale,
    /// The first seed of deterministic machines.
    pub seed: Option<u64>,
    /// Boots of each end, or seeds.
    pub boots: usize,
    /// How sure all steps together are to be.
    pub confidence: f64,
    /// Most boots of a step.
    pub most: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// This commit did it.
    Found {
        /// It.
        commit: String,
        /// The one before it.
        parent: String,
        /// What it is beside it.
        apart: Evidence,
    },
    /// It was found, and beside its parent it is not bad.
    Unconfirmed {
        /// It.
        commit: String,
        /// What speaks against it.
        why: String,
    },
    /// One of these did it; what would tell them apart cannot be judged.
    OneOf(Vec<String>),
    /// The ends cannot be told apart.
    Refused(String),
}

/// A bisection in progress.
#[derive(Debug)]
pub struct Bisection<'b> {
    /// The history.
    pub repo: &'b Repo,
    /// What is known.
    pub state: &'b mut State,
    /// Where it is kept.
    pub file: &'b Path,
    /// How to go about it.
    pub asked: BisectionOptions,
}

impl Bisection<'_> {
    /// Finds it.
    ///
    /// # Errors
    ///
    /// The tool failed, or good and bad are swapped. What was measured until
    /// then is kept.
    pub fn run(&mut self, lab: &mut dyn Lab) -> Result<Answer> {
        self.known();
        if let Some(why) = self.ends(lab)? {
            return Ok(Answer::Refused(why));
        }
        let (good, bad) = (self.state.good.clone(), self.state.bad.clone());
        let mut next = self.repo.start(&good, &bad)?;
        for step in self.state.steps.clone() {
            next = self.repo.mark(&step.commit, step.mark)?;
        }
        loop {
            let (commit, left) = match next {
                Next::Test { commit, left } => (commit, left),
                Next::Found(commit) => return self.verify(lab, &commit),
                Next::OneOf(all) => return Ok(Answer::OneOf(all)),
            };
            let step = self.step(lab, &commit, &left)?;
            lab.say(&format!("  {}: {}", step.mark.word(), step.why));
            next = self.repo.mark(&commit, step.mark)?;
            self.state.steps.push(step);
            self.save()?;
        }
    }

    /// Takes what boots told of the scale.
    fn known(&mut self) {
        let scale = &mut self.asked.scale;
        scale.unit.clone_from(&self.state.unit);
        scale.margin = scale.margin.max(self.state.resolution);
    }

    fn save(&self) -> Result<()> {
        self.state.write(self.file)
    }

    /// Measures both ends; why they cannot be used, if so.
    fn ends(&mut self, lab: &mut dyn Lab) -> Result<Option<String>> {
        let ends = [self.state.good.clone(), self.state.bad.clone()];
        let names = ["good", "bad"];
        let mut images = Vec::new();
        for (commit, name) in ends.iter().zip(names) {
            lab.say(&format!("{name} end: {}", self.named(commit)?));
            match self.image(lab, commit)? {
                Ok(image) => images.push(image),
                Err(why) => {
                    return Ok(Some(format!(
                        "the {name} end does not build: {why}"
                    )));
                }
            }
        }
        for n in 0..self.asked.boots {
            for at in turn(n) {
                let commit = &ends[at];
                if self.state.boots(commit).len() > n {
                    continue;
                }
                let boot = self.boot(lab, &images[at], n)?;
                let (name, told) = (names[at], self.told(&boot));
                lab.say(&format!("  {name} boot {}: {told}", n + 1));
                self.state.commit(commit).boots.push(boot);
                self.save()?;
            }
        }
        let told = self.asked.boots;
        let of = |commit| {
            let boots = self.state.boots(commit);
            boots[..told.min(boots.len())].to_vec()
        };
        let (good, bad) = (of(&ends[0]), of(&ends[1]));
        for (name, boots) in names.iter().zip([&good, &bad]) {
            let mut silent: Vec<&Boot> = boots.iter().collect();
            silent.retain(|boot| boot.value.is_none() && !boot.bad);
            if silent.len() * 2 > boots.len() {
                let why = silent.last().map_or("", |boot| boot.why.as_str());
                let why = format!("the {name} end cannot be judged: {why}");
                return Ok(Some(why));
            }
        }
        let look = look(&mut self.state.looks, told);
        self.save()?;
        let mut apart = self.asked.scale.apart(&good, &bad, look);
        // If neither way is better, the way from the good end is bad.
        if apart.verdict == Verdict::Differs {
            let down = apart.estimate.is_some_and(|share| share < 0.0);
            self.asked.scale.better = match down {
                true => Better::Higher,
                false => Better::Lower,
            };
            apart = self.asked.scale.apart(&good, &bad, look);
        }
        let (said, name) = (self.difference(&apart), &self.asked.scale.name);
        match apart.verdict {
            Verdict::Worse => {
                lab.say(&format!("the ends can be told apart: {name} {said}"));
                Ok(None)
            }
            Verdict::Better => bail!(
                "--bad is better than --good: {name} {said}; are they \
                 swapped? --better looks for what made it better"
            ),
            Verdict::Same | Verdict::NoWorse => Ok(Some(format!(
                "both ends are alike: {name} {said}, where {:.2} % does not \
                 count",
                self.asked.scale.margin * 100.0
            ))),
            Verdict::Unknown | Verdict::Differs => {
                let what = match self.asked.seed {
                    Some(_) => "--seeds",
                    None => "--runs",
                };
                let more = apart.more.map(|more| {
                    format!("; {what} {} would probably do", told + more)
                });
                Ok(Some(format!(
                    "both ends cannot be told apart by {} each: {name} \
                     {said}{}",
                    several(told, "boot"),
                    more.unwrap_or_default()
                )))
            }
        }
    }

    /// A difference in words.
    fn difference(&self, apart: &Evidence) -> String {
        let percent = |share: f64| share * 100.0;
        let share = match (apart.estimate, self.asked.scale.condition) {
            (Some(share), true) => {
                format!("fails in {:+.0} % of the boots", percent(share))
            }
            (Some(share), false) => format!("{:+.2} %", percent(share)),
            (None, _) => match apart.verdict {
                Verdict::Worse => "differs".to_owned(),
                Verdict::Better => "differs the other way".to_owned(),
                _ => "does not differ".to_owned(),
            },
        };
        let interval = apart.interval.map(|of| {
            let coverage = match of.coverage {
                Some(share) => format!(", covered in {:.1} %", percent(share)),
                None => ", by what seeds do".to_owned(),
            };
            let (low, high) = (percent(of.low), percent(of.high));
            format!(" ({low:+.2} to {high:+.2} %{coverage})")
        });
        share + &interval.unwrap_or_default()
    }

    /// A commit in words.
    fn named(&mut self, commit: &str) -> Result<String> {
        let known = self.state.commit(commit);
        if known.subject.is_empty() {
            known.subject = self.repo.subject(commit)?;
        }
        Ok(format!("{} {}", show::short(commit), known.subject))
    }

    /// What a boot said, in a few words.
    fn told(&self, boot: &Boot) -> String {
        let seed = boot.seed.map(|seed| format!("seed {seed}: "));
        let what = match boot.value {
            Some(value) if !self.asked.scale.condition => {
                crate::compare::table::value(value, &self.asked.scale.unit)
            }
            _ => boot.why.clone(),
        };
        seed.unwrap_or_default() + &what
    }

    /// The image of a commit, built unless it was before.
    fn image(
        &mut self,
        lab: &mut dyn Lab,
        commit: &str,
    ) -> Result<core::result::Result<PathBuf, String>> {
        let known = self.state.commit(commit);
        if let Some(why) = &known.broken {
            return Ok(Err(why.clone()));
        }
        if let Some(image) = known.image.clone().filter(|i| i.is_file()) {
            return Ok(Ok(image));
        }
        self.repo.checkout(commit)?;
        let built = lab.build()?;
        // A build that was interrupted says nothing of the commit.
        interrupt::check()?;
        let known = self.state.commit(commit);
        match &built {
            Ok(image) => known.image = Some(image.clone()),
            Err(why) => known.broken = Some(why.clone()),
        }
        self.save()?;
        Ok(built)
    }

    /// Boots for the `n`th time.
    fn boot(
        &mut self,
        lab: &mut dyn Lab,
        image: &Path,
        n: usize,
    ) -> Result<Boot> {
        let seed = self.asked.seed.map(|first| first + n as u64);
        let seen = lab.boot(image, seed)?;
        match &self.state.initramfs {
            None => self.state.initramfs = Some(seen.initramfs),
            Some(known) if *known == seen.initramfs => {}
            Some(_) => bail!(
                "the initramfs is not the one of earlier boots: the payload's \
                 sources changed; --restart measures everything anew"
            ),
        }
        if self.state.unit.is_empty() {
            self.state.unit = seen.unit;
        }
        self.state.resolution = self.state.resolution.max(seen.resolution);
        self.known();
        Ok(seen.boot)
    }

    /// Decides about one commit.
    fn step(
        &mut self,
        lab: &mut dyn Lab,
        commit: &str,
        left: &str,
    ) -> Result<Step> {
        let number = self.state.steps.len() + 1;
        let named = self.named(commit)?;
        lab.say(&format!("step {number}, {left} left: {named}"));
        let step = |mark, why| Step {
            commit: commit.to_owned(),
            mark,
            why,
        };
        let image = match self.image(lab, commit)? {
            Ok(image) => image,
            Err(why) => {
                let first = why.lines().next().unwrap_or_default();
                return Ok(step(Mark::Skip, first.to_owned()));
            }
        };
        let (mark, why) = match self.asked.seed {
            Some(_) => self.exact_step(lab, commit, &image)?,
            None => self.noisy_step(lab, commit, &image)?,
        };
        Ok(step(mark, why))
    }

    /// By boots that chance has no hand in: one will do if it is near to
    /// either end, and if seeds hardly move what is measured; or else all
    /// seeds decide.
    fn exact_step(
        &mut self,
        lab: &mut dyn Lab,
        commit: &str,
        image: &Path,
    ) -> Result<(Mark, String)> {
        let scale = self.asked.scale.clone();
        let (mut good, mut bad, mut near) = (0_u64, 0_u64, 0_u64);
        for n in 0..self.asked.boots {
            if self.state.boots(commit).len() <= n {
                let boot = self.boot(lab, image, n)?;
                lab.say(&format!("  boot {}: {}", n + 1, self.told(&boot)));
                self.state.commit(commit).boots.push(boot);
                self.save()?;
            }
            let boot = &self.state.boots(commit)[n];
            if boot.value.is_none() && !boot.bad {
                return Ok((Mark::Skip, boot.why.clone()));
            }
            let ends = [&self.state.good, &self.state.bad];
            let ends = ends.map(|end| self.state.boots(end));
            let Some(like) = scale.like(boot, ends[0], ends[1]) else {
                continue;
            };
            match like.end {
                End::Good => good += 1,
                End::Bad => bad += 1,
            }
            near += u64::from(like.near);
            if like.near && boot.steady.is_some() {
                break;
            }
        }
        let boots = good + bad;
        let between = match near * 2 < boots {
            true => "; it is between both ends, so there may be more to find",
            false => "",
        };
        let all = several(boots, "boot");
        let why = |count| format!("{count} of {all}{between}");
        Ok(match evidence::most(good, bad, true) {
            Some(true) => (Mark::Good, why(good)),
            Some(false) => (Mark::Bad, why(bad)),
            None => (Mark::Skip, format!("{boots} seeds are of two minds")),
        })
    }

    /// By as many boots as it takes, each beside one of the good end.
    fn noisy_step(
        &mut self,
        lab: &mut dyn Lab,
        commit: &str,
        image: &Path,
    ) -> Result<(Mark, String)> {
        let scale = self.asked.scale.clone();
        let (good, bad) = (self.state.good.clone(), self.state.bad.clone());
        let count = self.repo.between(&good, &bad)?.len();
        // Each step may be wrong so rarely that all of them are right.
        let steps = f64::from(count.max(2).ilog2() + 1);
        let sure = 1.0 - (1.0 - self.asked.confidence) / steps;
        let needed = (sure / (1.0 - sure)).ln();
        let mut silent = 0;
        let Ok(good_image) = self.image(lab, &good)? else {
            bail!("the good end no longer builds");
        };
        loop {
            let boots = self.state.boots(commit).to_vec();
            let threshold = scale.threshold(
                self.state.boots(&good),
                self.state.boots(&bad),
                self.asked.boots,
            );
            let sides = boots.iter().filter_map(|boot| boot.side);
            let sides: Vec<End> = sides.map(decide::end).collect();
            let likelihood = threshold.likelihood(&sides).unwrap_or(0.0);
            let odds = likelihood.abs().exp();
            let told = format!(
                "{}, {:.2} % sure",
                several(boots.len(), "boot"),
                odds / (1.0 + odds) * 100.0
            );
            if likelihood.abs() >= needed {
                let mark = match likelihood > 0.0 {
                    true => Mark::Bad,
                    false => Mark::Good,
                };
                return Ok((mark, told));
            }
            if let Some(last) = boots.last().filter(|_| silent > 1) {
                return Ok((Mark::Skip, last.why.clone()));
            }
            if boots.len() >= self.asked.most {
                return Ok((Mark::Skip, format!("still undecided: {told}")));
            }
            // Neither goes first always: a host that warms up is no culprit.
            let mut both = [Boot::default(), Boot::default()];
            for at in turn(boots.len()) {
                both[at] = self.boot(lab, [&good_image, image][at], 0)?;
            }
            let [mut beside, mut boot] = both;
            let known = self.state.boots(&good);
            beside.side = scale.is_bad(&threshold, &beside, known);
            self.state.commit(&good).boots.push(beside);
            let known = self.state.boots(&good);
            boot.side = scale.is_bad(&threshold, &boot, known);
            silent = match boot.side {
                None => silent + 1,
                Some(_) => 0,
            };
            let n = boots.len() + 1;
            lab.say(&format!("  boot {n}: {}; {told}", self.told(&boot)));
            self.state.commit(commit).boots.push(boot);
            self.save()?;
        }
    }

    /// Boots the culprit beside its parent, anew where chance has a hand in.
    fn verify(&mut self, lab: &mut dyn Lab, commit: &str) -> Result<Answer> {
        let unconfirmed = |why: String| Answer::Unconfirmed {
            commit: commit.to_owned(),
            why,
        };
        let named = self.named(commit)?;
        lab.say(&format!("beside its parent: {named}"));
        let Some(parent) = self.repo.parent(commit)? else {
            return Ok(unconfirmed("it has no parent".to_owned()));
        };
        let named = self.named(&parent)?;
        let both = [parent.clone(), commit.to_owned()];
        let mut images = Vec::new();
        for hash in &both {
            match self.image(lab, hash)? {
                Ok(image) => images.push(image),
                Err(why) => {
                    return Ok(unconfirmed(format!(
                        "its parent {named} does not build: {why}"
                    )));
                }
            }
        }
        for n in 0..self.asked.boots {
            for at in turn(n) {
                let image = &images[at];
                if self.state.verified[at].len() > n {
                    continue;
                }
                let seed = self.asked.seed.map(|first| first + n as u64);
                let known = self.state.boots(&both[at]).iter();
                let mut same = known.filter(|b| b.seed == seed).cloned();
                let boot = match same.next().filter(|_| seed.is_some()) {
                    Some(boot) => boot,
                    None => {
                        let boot = self.boot(lab, image, n)?;
                        let which = ["parent", "culprit"][at];
                        let told = self.told(&boot);
                        let n = n + 1;
                        lab.say(&format!("  {which} boot {n}: {told}"));
                        boot
                    }
                };
                self.state.verified[at].push(boot);
                self.save()?;
            }
        }
        let boots = self.asked.boots;
        let look = look(&mut self.state.looks_at_culprit, boots);
        self.save()?;
        let first = |boots: &[Boot]| {
            boots[..self.asked.boots.min(boots.len())].to_vec()
        };
        let [old, new] = &self.state.verified;
        let apart = self.asked.scale.apart(&first(old), &first(new), look);
        let told = self.difference(&apart);
        if apart.verdict != Verdict::Worse {
            let name = &self.asked.scale.name;
            return Ok(unconfirmed(format!(
                "beside its parent {named}, {name} {told}"
            )));
        }
        self.repo.end()?;
        Ok(Answer::Found {
            commit: commit.to_owned(),
            parent,
            apart,
        })
    }
}

/// Which of two is booted first and which next: neither goes first always.
fn turn(n: usize) -> [usize; 2] {
    if n.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// Which look it is with so many boots, which is noted down.
fn look(looks: &mut Vec<usize>, boots: usize) -> u32 {
    if !looks.contains(&boots) {
        looks.push(boots);
    }
    let before = looks.iter().take_while(|&&one| one != boots).count();
    u32::try_from(before + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
