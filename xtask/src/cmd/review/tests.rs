//! Which commits are meant, and the words that ask for a review again.

use super::{Args, again, commit, range};
use crate::review::{Changes, Choice, Found, Review};
use argh::FromArgs;
use std::fs;
use std::path::Path;
use std::process::Command;

fn git(tree: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree);
    git.args(["-c", "user.name=a", "-c", "user.email=a@b"]);
    let out = git.args(args).output().unwrap();
    assert!(out.status.success(), "git {args:?}");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A history of three commits, the newest last.
fn tree() -> (tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path();
    git(tree, &["init", "-q"]);
    let mut commits = Vec::new();
    for n in ["one", "two", "three"] {
        for file in ["Kconfig", "Kbuild", "fair.c"] {
            fs::write(tree.join(file), n).unwrap();
        }
        git(tree, &["add", "."]);
        git(tree, &["commit", "-q", "-m", n]);
        commits.push(git(tree, &["rev-parse", "HEAD"]));
    }
    (dir, commits)
}

#[test]
fn commits_are_those_of_git_diff() {
    let (dir, commits) = tree();
    let tree = dir.path();
    let of = |text: Option<&str>| {
        let range = range(tree, text).unwrap();
        (range.commits, range.dirty)
    };
    let [one, two, three] = [0, 1, 2].map(|at: usize| commits[at].clone());
    let last = ([two.clone(), three.clone()], false);
    assert_eq!(of(None), last);
    assert_eq!(of(Some("HEAD~1..HEAD")), last);
    assert_eq!(of(Some("HEAD~1..")), last);
    let older = ([one.clone(), two.clone()], false);
    assert_eq!(of(Some("HEAD~2..HEAD~1")), older);
    for (text, why) in [
        ("nosuch..HEAD", "no revision `nosuch`"),
        ("HEAD~1...HEAD", "with two points"),
    ] {
        let error = range(tree, Some(text)).err().unwrap();
        assert!(format!("{error:#}").contains(why), "{error:#}");
    }
    // What is in no commit, staged or not, is one that nobody else sees.
    fs::write(tree.join("fair.c"), "four").unwrap();
    git(tree, &["add", "fair.c"]);
    fs::write(tree.join("Kbuild"), "four").unwrap();
    let (now, dirty) = of(None);
    assert!(dirty && now[0] == two && now[1] != three);
    assert_eq!(of(Some("HEAD")), ([three.clone(), now[1].clone()], true));
    // The same is the same, so that its kernel is found again.
    assert_eq!(of(None).0, now);
    for file in ["fair.c", "Kbuild"] {
        let text = git(tree, &["show", &format!("{}:{file}", now[1])]);
        assert_eq!(text, "four");
    }
    assert_eq!(git(tree, &["stash", "list"]), "");
    assert_eq!(git(tree, &["rev-parse", "HEAD"]), three);
    let status = git(tree, &["status", "--porcelain"]);
    assert_eq!(status.lines().count(), 2, "{status}");
    // With two commits it plays no part.
    assert_eq!(of(Some("HEAD~1..HEAD")), last);
}

#[test]
fn a_review_is_what_its_command_asks_for() {
    let (dir, _) = tree();
    let asked = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Args::from_args(&["review"], &words).unwrap()
    };
    let line = "--tree x HEAD~1..HEAD --seeds 5 --base defconfig --fragment \
                debug --smp 2 --append quiet=1 -- time=1s work=PipeIo";
    let args = asked(line);
    assert_eq!(args.seeds, Some(5));
    let mut request = args.request("");
    assert_eq!(request.plan.remove(0), "HEAD~1..HEAD");
    request.deterministic = Some(1);
    request.profile = true;
    let range = range(dir.path(), None).unwrap();
    let review = Review {
        tree: "linux".to_owned(),
        sides: [commit(&range, 0).unwrap(), commit(&range, 1).unwrap()],
        changes: Changes::default(),
        given: true,
        choice: Choice::default(),
        executed: Default::default(),
        found: Found::NoType,
        built_with: String::new(),
        machine: String::new(),
        pidone: String::new(),
        command: Vec::new(),
    };
    assert_eq!(review.sides[1].subject, "three");
    let command = again(&args, &request, &review, &range).join(" ");
    let [a, b] = range.commits.each_ref().map(|commit| &commit[..12]);
    assert_eq!(
        command,
        format!(
            "review --tree linux --fragment debug --base defconfig --seeds 5 \
             --smp 2 {a}..{b} --append quiet=1 -- time=1s work=PipeIo"
        )
    );
    let again = asked(command.strip_prefix("review ").unwrap());
    let mut second = again.request("");
    assert_eq!(second.plan.remove(0), format!("{a}..{b}"));
    assert_eq!((second.smp, second.plan), (request.smp, request.plan));
    // One CPU, unless more are asked for; a plan needs no range.
    let args = asked("-- time=1s work=PipeIo");
    assert_eq!((args.smp.cpus(), args.plan.len()), (1, 2));
}
