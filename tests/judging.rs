//! `judge` under `git bisect run`, by the lines of `docs/bisect.md`; and wrong
//! use of `judge` and `bisect`.

use crate::fakes::{commit, git, made};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use xtask::{build, cache};

/// What the kernels of a history are: between these two lie the figures of
/// the documentation's condition.
const FAST: &str = "debian:6.12-cloud";
const SLOW: &str = "debian:6.1-cloud";

/// Lines of the documentation that begin so.
fn documented(begin: &str) -> Vec<String> {
    let docs = build::workspace().join("docs/bisect.md");
    let text = fs::read_to_string(docs).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(begin));
    lines.map(str::to_owned).collect()
}

#[test]
fn documented_lines_find_the_commit() {
    let home = tempfile::tempdir().unwrap();
    let bin = home.path().join("pidone/target/debug");
    fs::create_dir_all(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_xtask"), bin.join("xtask")).unwrap();
    let tree = home.path().join("linux");
    made(
        &tree,
        &[
            ("0", FAST),
            ("1", FAST),
            ("2", ""),
            ("3", FAST),
            ("4", SLOW),
            ("5", SLOW),
        ],
    );
    let commits = [0, 1, 2, 3, 4, 5]
        .map(|n: u8| git(&tree, &["rev-parse", &n.to_string()]));
    // Home is elsewhere, and what is ours there is where it was.
    let var = |name| std::env::var(name).ok();
    let old = var("HOME").unwrap_or_default();
    let cargo = var("CARGO_HOME").unwrap_or_else(|| format!("{old}/.cargo"));
    let rustup = var("RUSTUP_HOME").unwrap_or_else(|| format!("{old}/.rustup"));
    let shell = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(&tree);
        shell.env("HOME", home.path());
        shell.env("CARGO_HOME", &cargo).env("RUSTUP_HOME", &rustup);
        shell.env("PIDONE_CACHE", cache::dir().unwrap());
        let out = shell.output().unwrap();
        let both = [out.stdout, out.stderr].concat();
        (
            out.status.code(),
            String::from_utf8_lossy(&both).into_owned(),
        )
    };
    let prepare = documented("make -s bzImage");
    assert_eq!(prepare.len(), 1);
    git(&tree, &["checkout", "-q", &commits[0]]);
    let (code, said) = shell(&prepare[0]);
    assert_eq!(code, Some(0), "{said}");
    let lines = documented("git bisect run sh -c");
    assert_eq!(lines.len(), 2);
    for line in &lines {
        git(&tree, &["bisect", "start", &commits[5], &commits[0]]);
        let (code, said) = shell(line);
        assert_eq!(code, Some(0), "{said}");
        let found = format!("{} is the first bad commit", commits[4]);
        assert!(said.contains(&found), "{said}");
        git(&tree, &["bisect", "reset"]);
    }
    // Another plan is no baseline.
    git(&tree, &["checkout", "-q", &commits[0]]);
    let line = lines[1].replace("git bisect run ", "");
    let (code, said) =
        shell(&line.replace("work=FutexPingPong", "work=PipeIo"));
    assert_eq!(code, Some(255), "{said}");
    assert!(said.contains("different plans do not compare"), "{said}");
    // A mistake blames nobody.
    git(&tree, &["bisect", "start", &commits[5], &commits[0]]);
    let (code, said) = shell(&lines[0].replace("rate>", "rat>"));
    assert!(
        code != Some(0) && said.contains("nearest is `rate`"),
        "{said}"
    );
    assert!(!said.contains("first bad commit"), "{said}");
}

#[test]
fn a_wrong_use_of_bisect_is_answered_before_anything_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("linux");
    fs::create_dir(&tree).unwrap();
    let plain = dir.path().join("plain");
    fs::create_dir(&plain).unwrap();
    git(&tree, &["init", "-q"]);
    fs::write(tree.join("file"), "0").unwrap();
    for (tag, files) in [
        ("none", &["file"][..]),
        ("old", &["Kconfig", "Kbuild"]),
        ("new", &["file"]),
    ] {
        for file in files {
            fs::write(tree.join(file), tag).unwrap();
        }
        commit(&tree, tag);
    }
    for (at, words, message) in [
        (&tree, "--good old --bad nope", "no revision `nope` in "),
        (&tree, "--good none --bad new", "at none is no kernel tree"),
        (&tree, "--good new --bad old", "are they swapped? --better"),
        (&tree, "--good old --bad old^0", "the same commit"),
        (&plain, "--good old --bad new", "is no git checkout"),
        (
            &tree,
            "--good old --bad new --metric wak.p9",
            "nearest is `wake`",
        ),
        (
            &tree,
            "--good old --bad new --metric rate --expect rate>1",
            "one of",
        ),
        (
            &tree,
            "--good old --bad new --seeds 2",
            "needs --deterministic",
        ),
        (
            &tree,
            "--good old --bad new --runs 0",
            "0 boots say nothing",
        ),
        (
            &tree,
            "--good old --bad new --confidence 100%",
            "below 100%",
        ),
        (&tree, "--good old --bad new --confidence 20", "50% or more"),
        (&tree, "--good old --bad new --smpp 2", "nearest is `--smp`"),
        (&tree, "--good old", "--bad"),
    ] {
        let said = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["bisect", "--tree"])
            .arg(at)
            .args(words.split(' '))
            .args(["--", "work=PipeIo"])
            .env("PIDONE_CACHE", dir.path().join("cache"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(255), "{words}: {text}");
        assert!(text.contains(message), "{words}: {text}");
    }
    assert!(!dir.path().join("cache").exists());
    let said = git(&tree, &["worktree", "list"]);
    assert_eq!(said.lines().count(), 1, "{said}");
}
