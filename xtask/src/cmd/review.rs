//! `review`: what a patch of a kernel tree costs, and where.

use super::bisect::workbench;
use super::{compare, map, which};
use crate::arch::Arch;
use crate::bisect::git::Repo;
use crate::bisect::show::short;
use crate::boot::BootRequest;
use crate::boot::plan::works;
use crate::boot::request::with_machine;
use crate::exit::Exit;
use crate::finished::FinishedBoot;
use crate::kernel_build::{self, Order};
use crate::map::code::CodeChanges;
use crate::map::patch::changes;
use crate::map::{find_like, hits, planned_word};
use crate::program;
use crate::review::{Changes, Choice, Commit, Found, Review, choose, lacking};
use crate::store::{self, StoredRun, sha256};
use crate::text::several;
use crate::topology::Smp;
use crate::untrusted::json;
use crate::{interrupt, kernel_check, metrics, profile, qemu, tools};
use anyhow::{Context, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

with_machine! {
cpus "Smp::Flat(1)" "virtual CPUs: a number (1 by default, which leaves no \
    placement to chance), or all that they share as in 2n4l8c2t: 2 nodes, 4 \
    last-level caches, 8 cores, of 2 threads each" (positional);
/// Say what a patch of a kernel tree costs: build both sides, run the work
/// types that execute what changed, exactly, and write a text for a mail.
#[derive(Debug, Clone, Default, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "review")]
#[argh(
    usage = "[--tree DIR] [A..B | A] [options] [-- plan...]",
    example = "The last commit, with the changes that are in no commit:\n\
               \x20 {command_name} --tree ~/linux",
    example = "Those changes alone:\n\
               \x20 {command_name} --tree ~/linux HEAD",
    example = "A series, and work types of one's own choice:\n\
               \x20 {command_name} --tree ~/linux v6.12..HEAD -- \\\n\
               \x20   time=100ms work=PipeIo",
    note = "One revision is compared with the checkout as it stands, as `git \
            diff` has it; without any it is HEAD~1. Nothing of the checkout \
            changes.",
    note = "The options of `boot` that describe a machine are options of \
            `review`, too. docs/review.md has more.",
    error_code(0, "nothing that was judged is worse"),
    error_code(1, "something is worse, or fails"),
    error_code(125, "cannot tell: no build, no boot, or nothing executes it"),
    error_code(255, "the tool, its usage or the plan failed")
)]
pub struct Args {
    /// a git checkout of the kernel; by default the current directory
    #[argh(option, default = "PathBuf::from(\".\")")]
    pub tree: PathBuf,
    /// seeds of deterministic machines, beginning with that of
    /// --deterministic, 3 by default
    #[argh(option)]
    pub seeds: Option<u64>,
    /// a metric to judge by, as `compare` takes it; may be repeated
    #[argh(option)]
    pub metric: Vec<String>,
    /// a difference that does not count, in percent, 0.5 by default
    #[argh(option, default = "0.5")]
    pub margin: f64,
    /// a fragment of kernel-configs/, as `kernel build` takes it; may be
    /// repeated
    #[argh(option)]
    pub fragment: Vec<String>,
    /// what they are merged into: tinyconfig (the default), defconfig or a file
    #[argh(option)]
    pub base: Option<String>,
    /// a map to choose work types by, as `which` takes it; by default one of a
    /// kernel with the same configuration, which is made if there is none
    #[argh(option)]
    pub map: Option<String>,
    /// write the review as JSON to a file; `-` is standard output
    #[argh(option, from_str_fn(super::output_file))]
    pub json: Option<String>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    pub store: Option<PathBuf>,
}
}

/// How long a work type runs that was chosen.
const TIME: &str = "time=100ms";
/// Seeds, unless more or fewer are asked for.
const SEEDS: u64 = 3;

/// Runs the verb.
///
/// # Errors
///
/// The usage or the plan is wrong, or something that is needed is missing.
pub fn run(args: &Args) -> Result<Exit> {
    let review = review(args).inspect_err(|_| {
        if interrupt::happened() {
            crate::tell!(
                "kernels and maps that were finished are kept; the same \
                 command goes on with them"
            );
        }
    })?;
    let text = review.mail();
    let comparison = match &review.found {
        Found::Compared(comparison) => Some(comparison),
        _ => None,
    };
    let json = json(&json!({
        "schema": 1,
        "commits": review.sides.each_ref().map(|side| &side.name),
        "functions": review.changes.functions(),
        "verdict": review.verdict(),
        "exit_code": review.exit(),
        "text": text,
        "comparison": comparison,
    }))?;
    match args.json.as_deref() {
        Some("-") => super::print(&json)?,
        file => {
            super::print(&text)?;
            if let Some(file) = file {
                fs::write(file, json).with_context(|| file.to_owned())?;
            }
        }
    }
    Ok(review.exit())
}

/// What is to be compared.
struct Range {
    tree: PathBuf,
    commits: [String; 2],
    /// The second one is the checkout as it stands.
    dirty: bool,
}

/// Builds, chooses, boots and compares.
///
/// # Errors
///
/// As those of [`run`].
pub fn review(args: &Args) -> Result<Review> {
    let mut request = args.request("");
    let revisions = match request.plan.first() {
        Some(word) if !word.contains('=') => Some(request.plan.remove(0)),
        _ => None,
    };
    let second = request.plan.first().filter(|word| !word.contains('='));
    if let (Some(a), Some(b)) = (&revisions, second) {
        bail!("`{a} {b}`: two commits are {a}..{b}, and a plan follows `--`");
    }
    request.deterministic.get_or_insert(1);
    request.profile = true;
    // All that can be wrong is said before anything is built.
    let selectors = args.metric.iter();
    let selectors = selectors.map(|text| metrics::Selector::parse(text));
    let selectors: Vec<_> = selectors.collect::<Result<_>>()?;
    if !request.plan.is_empty() {
        works(&request)?;
        metrics::check(&selectors, &request.plan.join(" "))?;
    }
    if args.seeds == Some(0) {
        bail!("--seeds 0: 0 boots compare nothing");
    }
    if !(0.0..100.0).contains(&args.margin) {
        bail!("--margin {}: valid is 0 or more, below 100", args.margin);
    }
    let known = args.map.as_deref().map(which::named).transpose()?;
    let arch = request.arch.unwrap_or_else(Arch::host);
    tools::require(&[tools::GIT], args.setup)?;
    qemu::require(&[arch], args.setup)?;
    profile::check(arch, true)?;
    let range = range(&args.tree, revisions.as_deref())?;
    let [a, b] = range.commits.each_ref().map(String::as_str);
    let diff = Repo::diff(&range.tree, &[a, b])?;
    if diff.is_empty() {
        bail!("nothing to review: {} and {} are alike", short(a), short(b));
    }
    let patch = changes(&diff).context("git diff")?;
    let mut review = Review {
        tree: crate::finished::name(&range.tree),
        sides: [commit(&range, 0)?, commit(&range, 1)?],
        changes: Changes {
            patch: patch.functions,
            elsewhere: patch.elsewhere,
            code: None,
        },
        given: !request.plan.is_empty(),
        choice: Choice::default(),
        executed: Default::default(),
        found: Found::NoType,
        built_with: String::new(),
        machine: String::new(),
        pidone: format!("pidone {}", env!("CARGO_PKG_VERSION")),
        command: Vec::new(),
    };
    review.command = again(args, &request, &review, &range);
    let images = match built(args, &range, arch)? {
        Ok(images) => images,
        Err((at, why)) => {
            review.found = Found::NotBuilt(at, why);
            return Ok(review);
        }
    };
    for (side, image) in review.sides.iter_mut().zip(&images) {
        side.image = sha256(image)?;
        (side.release, review.built_with) = kernel_build::told(image)?;
    }
    if review.sides[0].image == review.sides[1].image {
        review.found = Found::SameImage;
        return Ok(review);
    }
    let both = images.each_ref().map(PathBuf::as_path);
    match CodeChanges::of_images(both) {
        Ok(code) => review.changes.code = Some(code),
        Err(error) => crate::tell!("note: {error:#}"),
    }
    planned(args, known, &mut review, &mut request, &images[0], arch)?;
    if request.plan.is_empty() {
        return Ok(review);
    }
    review.command = again(args, &request, &review, &range);
    measured(args, &mut review, &request, &images)?;
    Ok(review)
}

/// The commits that are meant.
fn range(tree: &Path, text: Option<&str>) -> Result<Range> {
    let tree = Repo::top(tree)?;
    let text = text.unwrap_or("HEAD~1");
    if text.contains("...") {
        bail!("`{text}`: two commits are A..B here, with two points");
    }
    let (a, b) = match text.split_once("..") {
        Some((a, b)) => (or_head(a), Some(or_head(b))),
        None => (text, None),
    };
    let first = Repo::commit(&tree, a)?;
    let head = Repo::commit(&tree, "HEAD")?;
    let second = match b {
        Some(rev) => Repo::commit(&tree, rev)?,
        None => Repo::as_it_stands(&tree)?,
    };
    let dirty = b.is_none() && second != head;
    let untracked = Repo::untracked(&tree)?;
    if b.is_none() && !untracked.is_empty() {
        crate::tell!(
            "note: {} is not known to git, and in no kernel that is built; \
             `git add` makes it so{}",
            untracked[0],
            match untracked.len() {
                1 => String::new(),
                all => format!(", as with {} more", all - 1),
            }
        );
    }
    if b.is_some() && Repo::dirty(&tree)? {
        crate::tell!(
            "note: {} has changes that are not committed; they are left as \
             they are, and are in no kernel that is built",
            tree.display()
        );
    }
    Ok(Range {
        tree,
        commits: [first, second],
        dirty,
    })
}

/// What stands for HEAD if it is left out.
fn or_head(rev: &str) -> &str {
    if rev.is_empty() { "HEAD" } else { rev }
}

fn commit(range: &Range, at: usize) -> Result<Commit> {
    let name = range.commits[at].clone();
    Ok(Commit {
        subject: Repo::subject_in(&range.tree, &name)?,
        dirty: at == 1 && range.dirty,
        name,
        ..Commit::default()
    })
}

/// Both kernels; or the side that does not build, and why.
fn built(
    args: &Args,
    range: &Range,
    arch: &'static Arch,
) -> Result<core::result::Result<[PathBuf; 2], (usize, String)>> {
    let (_alone, _, repo) = workbench(&range.tree)?;
    let base = args.base.as_deref().unwrap_or("tinyconfig");
    let mut images = Vec::new();
    for (at, commit) in range.commits.iter().enumerate() {
        let letter = ["A", "B"][at];
        let known = match kernel_build::was_built(commit, arch)? {
            true => "was built before, if with this configuration",
            false => {
                "the first kernel of a tree takes a quarter of an hour or \
                 more on two CPUs, a later one some minutes"
            }
        };
        crate::tell!("kernel {letter}, {}: {known}", short(commit));
        repo.checkout(commit)?;
        let built = kernel_build::attempt(&Order {
            fragments: args.fragment.clone(),
            setup: args.setup,
            ..Order::of(&repo.worktree.display().to_string(), base, arch)
        })?;
        // A build that was interrupted says nothing of the commit.
        interrupt::check()?;
        match built {
            Ok(image) => images.push(image),
            Err(why) => return Ok(Err((at, why))),
        }
    }
    let [a, b] = images.try_into().ok().context("two kernels")?;
    Ok(Ok([a, b]))
}

/// Puts work types into the plan, unless there is one.
fn planned(
    args: &Args,
    known: Option<FinishedBoot>,
    review: &mut Review,
    request: &mut BootRequest,
    image: &Path,
    arch: &'static Arch,
) -> Result<()> {
    let given = review.given;
    let config = kernel_check::of_image(image);
    let config = config.as_ref().map(crate::kconfig::Config::sha256);
    let known = match known {
        Some(map) => Some(map),
        None => find_like(&sha256(image)?, config.as_deref())?,
    };
    let map = match known {
        Some(map) => map,
        // What is asked for needs no map.
        None if given => return Ok(()),
        None => {
            crate::tell!(
                "no map of a kernel of this configuration yet: all work types \
                 are profiled on A, once, in two minutes on an idle host"
            );
            let made = map::make(&map::Args {
                kernel: image.display().to_string(),
                arch: Some(arch),
                smp: Smp::Flat(2),
                time: "20ms".to_owned(),
                timeout: None,
                out: None,
                runner: None,
                setup: args.setup,
            })?;
            made.map.map_err(|dir| {
                anyhow!(
                    "there is no map: {}; the boot is in {}",
                    made.reason,
                    super::runs::shown(&dir)
                )
            })?
        }
    };
    let functions = review.changes.functions();
    let absent = crate::map::absent(&map, &functions);
    let executed = functions.iter().filter(|name| {
        let name = name.as_str();
        !absent.contains(&name)
    });
    review.executed = executed.cloned().collect();
    if given {
        return Ok(());
    }
    if functions.is_empty() {
        crate::tell!("note: no function changed that is known by its name");
    }
    let hits = hits(&map, &functions);
    review.choice = choose(&hits, &|work| lacking(work, request));
    let words = review.choice.works.iter();
    let words: Vec<String> =
        words.map(|(work, _)| planned_word(work)).collect();
    if !words.is_empty() {
        request.plan.push(TIME.to_owned());
        let words = words.iter().flat_map(|word| word.split(' '));
        request.plan.extend(words.map(str::to_owned));
    }
    Ok(())
}

/// Boots both kernels, and compares them.
fn measured(
    args: &Args,
    review: &mut Review,
    request: &BootRequest,
    images: &[PathBuf; 2],
) -> Result<()> {
    let seeds = args.seeds.unwrap_or(SEEDS);
    let works = request.plan.iter();
    let works: Vec<&str> = works
        .filter_map(|word| word.strip_prefix("work="))
        .collect();
    let boots = 2 * seeds + 2;
    let cores = std::thread::available_parallelism()?.get() as u64;
    let rounds = boots.div_ceil(cores);
    crate::tell!(
        "measuring {}: {boots} boots, about {} min on an idle host",
        works.join(", "),
        (rounds * (10 + 3 * works.len() as u64)).div_ceil(60)
    );
    let mut words: Vec<String> =
        images.iter().map(|it| it.display().to_string()).collect();
    words.extend(["--seeds".to_owned(), seeds.to_string()]);
    words.extend(["--margin".to_owned(), args.margin.to_string()]);
    for metric in &args.metric {
        words.extend(["--metric".to_owned(), metric.clone()]);
    }
    words.extend(request.command().into_iter().skip(1));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let parsed = compare::Args::from_args(&["compare"], &words);
    let mut asked = parsed.map_err(|early| {
        anyhow::anyhow!(crate::usage::plainer(early.output.trim_end()))
    })?;
    asked.setup = args.setup;
    asked.store.clone_from(&args.store);
    let comparison = compare::comparison(&asked)?;
    let root = store::root(args.store.as_deref())?;
    let read = |name: &String| -> Result<FinishedBoot> {
        StoredRun::at(&root.join(name))?.read()
    };
    let all = comparison.boots.each_ref().map(|boots| boots.join(","));
    let place = args.store.as_ref().map(|dir| {
        format!(" --store {}", crate::usage::quoted(&dir.to_string_lossy()))
    });
    crate::tell!(
        "all figures and functions: {} compare {} {}{}",
        program::name(),
        all[0],
        all[1],
        place.unwrap_or_default()
    );
    let first = comparison.boots[0].first().context("no boot")?;
    let boot = read(first)?;
    let qemu = boot.meta.qemu.replace(" emulator version", "");
    let qemu = qemu.split(" (").next().unwrap_or_default();
    let cpus = request.smp.cpus();
    review.machine = format!(
        "{qemu}, {}, {}",
        boot.meta.arch.as_deref().unwrap_or_default(),
        several(cpus, "CPU")
    );
    if let Some(hello) = &boot.report.hello {
        review.pidone = format!("pidone {}", hello.pidone);
    }
    review.measured(comparison);
    Ok(())
}

/// The words that ask for the same review again.
fn again(
    args: &Args,
    request: &BootRequest,
    review: &Review,
    range: &Range,
) -> Vec<String> {
    let mut words = vec!["review".to_owned()];
    let mut option = |name: &str, value: &str| {
        words.extend([name.to_owned(), value.to_owned()]);
    };
    option("--tree", &review.tree);
    args.fragment.iter().for_each(|it| option("--fragment", it));
    args.base.iter().for_each(|it| option("--base", it));
    args.metric.iter().for_each(|it| option("--metric", it));
    if let Some(seeds) = args.seeds {
        option("--seeds", &seeds.to_string());
    }
    if (args.margin - 0.5).abs() > f64::EPSILON {
        option("--margin", &args.margin.to_string());
    }
    // What `boot` takes for granted is not the same here.
    option("--smp", &request.smp.to_string());
    let [a, b] = range.commits.each_ref().map(|commit| short(commit));
    words.push(match range.dirty {
        true => a.to_owned(),
        false => format!("{a}..{b}"),
    });
    let machine = BootRequest {
        kernel: String::new(),
        smp: Smp::default(),
        deterministic: request.deterministic.filter(|seed| *seed != 1),
        profile: false,
        ..request.clone()
    };
    let mut machine = machine.command();
    if machine.last().is_some_and(|word| word == "--") {
        machine.pop();
    }
    words.extend(machine.into_iter().skip(1));
    words
}

#[cfg(test)]
mod tests;
