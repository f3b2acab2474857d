//! The history, in a worktree of its own.

use super::state::Mark;
use crate::untrusted::line;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A user's repository, and our worktree of it.
#[derive(Debug)]
pub struct Repo {
    /// Where the user works; never changed.
    pub tree: PathBuf,
    /// Where kernels are built.
    pub worktree: PathBuf,
}

/// Where a bisection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This commit is to be tested; git says how many are left.
    Test {
        /// It.
        commit: String,
        /// So many revisions, in roughly so many steps.
        left: String,
    },
    /// This is the first bad one.
    Found(String),
    /// One of these is; nothing can be told of the rest.
    OneOf(Vec<String>),
}

impl Repo {
    /// The repository of `tree`.
    ///
    /// # Errors
    ///
    /// It is no checkout.
    pub fn top(tree: &Path) -> Result<PathBuf> {
        let shown = tree.display();
        if !tree.is_dir() {
            bail!("--tree {shown} is no directory");
        }
        let out = git(tree, &["rev-parse", "--show-toplevel"])?;
        if !out.status.success() {
            bail!("--tree {shown} is no git checkout: {}", said(&out));
        }
        let top = text(&out.stdout);
        fs::canonicalize(&top).with_context(|| top.clone())
    }

    /// The commit that a user means, which must be one of a kernel.
    ///
    /// # Errors
    ///
    /// There is none, or it has no kernel.
    pub fn commit(tree: &Path, rev: &str) -> Result<String> {
        let whole = format!("{rev}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let out = git(tree, &[&args[..], &[&whole]].concat())?;
        if !out.status.success() {
            bail!("no revision `{rev}` in {}", tree.display());
        }
        let commit = text(&out.stdout);
        for file in ["Kconfig", "Kbuild"] {
            let there = git(tree, &["cat-file", "-e", &of(&commit, file)])?;
            if !there.status.success() {
                bail!(
                    "{} at {rev} is no kernel tree; --tree names one",
                    tree.display()
                );
            }
        }
        Ok(commit)
    }

    /// Whether a checkout has changes which are in no commit.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn dirty(tree: &Path) -> Result<bool> {
        let args = ["status", "--porcelain", "--untracked-files=no"];
        Ok(!run(tree, &args)?.is_empty())
    }

    /// A commit of what a checkout holds, changes that are in no commit
    /// included: HEAD where there are none. Nothing of the checkout changes,
    /// and what is the same is the same commit.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn as_it_stands(tree: &Path) -> Result<String> {
        let mut git = command(tree, &["stash", "create", "not committed"]);
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "pidone");
            git.env(format!("GIT_{who}_EMAIL"), "pidone@localhost");
            git.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
        }
        let out = git.output().context("git cannot be started")?;
        if !out.status.success() {
            bail!("git stash create in {}: {}", tree.display(), said(&out));
        }
        match text(&out.stdout) {
            none if none.is_empty() => run(tree, &["rev-parse", "HEAD"]),
            commit => Ok(commit),
        }
    }

    /// Files of a checkout that git neither has nor ignores.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn untracked(tree: &Path) -> Result<Vec<String>> {
        let args = ["ls-files", "--others", "--exclude-standard"];
        let files = run(tree, &args)?;
        Ok(files.lines().map(str::to_owned).collect())
    }

    /// The difference that these revisions make, as a patch.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn diff(tree: &Path, revisions: &[&str]) -> Result<String> {
        let args = ["diff", "--no-color", "--no-ext-diff"];
        let args = [&args[..], revisions, &["--"]].concat();
        let out = git(tree, &args)?;
        if !out.status.success() {
            let what = revisions.join(" ");
            // Its usage, pages of it, may stand behind.
            let said = said(&out);
            let first = said.lines().next().unwrap_or_default();
            bail!("git diff {what} in {}: {first}", tree.display());
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Makes the worktree unless it is there. The caller sees to it that
    /// nobody else uses it.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn open(tree: &Path, worktree: &Path) -> Result<Self> {
        let shown = worktree.display().to_string();
        if !worktree.join(".git").exists() {
            run(tree, &["worktree", "prune"])?;
            run(
                tree,
                &["worktree", "add", "--detach", "--no-checkout", &shown],
            )
            .with_context(|| format!("worktree {shown}"))?;
        }
        // What a kill left behind.
        let lock = run(worktree, &["rev-parse", "--git-path", "index.lock"])?;
        match fs::remove_file(worktree.join(lock)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context("index.lock");
            }
            _ => {}
        }
        Ok(Self {
            tree: tree.to_path_buf(),
            worktree: worktree.to_path_buf(),
        })
    }

    /// Puts a commit into the worktree. Files that are the same keep their
    /// times, so that little is built again.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn checkout(&self, commit: &str) -> Result<()> {
        let args = ["checkout", "--quiet", "--force", "--detach", commit];
        run(&self.worktree, &args).map(drop)
    }

    /// The first line of a commit, of characters that are what they look
    /// like: whoever wrote the commit chose them.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn subject(&self, commit: &str) -> Result<String> {
        Self::subject_in(&self.worktree, commit)
    }

    /// The same in any checkout.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn subject_in(tree: &Path, commit: &str) -> Result<String> {
        let args = ["show", "-s", "--format=%s", commit];
        Ok(line(&run(tree, &args)?).into_owned())
    }

    /// Whether `old` is in the history of `new`.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn is_ancestor(tree: &Path, old: &str, new: &str) -> Result<bool> {
        let args = ["merge-base", "--is-ancestor", old, new];
        Ok(git(tree, &args)?.status.success())
    }

    /// The commits between both ends, the bad one included, the oldest first.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn between(&self, good: &str, bad: &str) -> Result<Vec<String>> {
        let range = format!("{good}..{bad}");
        let args = ["rev-list", "--topo-order", "--reverse", &range];
        let all = run(&self.worktree, &args)?;
        Ok(all.lines().map(str::to_owned).collect())
    }

    /// The parent that a commit is compared with; `None` of the first.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn parent(&self, commit: &str) -> Result<Option<String>> {
        let rev = format!("{commit}^1");
        let args = ["rev-parse", "--verify", "--quiet", &rev];
        let out = git(&self.worktree, &args)?;
        Ok(out.status.success().then(|| text(&out.stdout)))
    }

    /// Begins, and returns the first commit to test.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn start(&self, good: &str, bad: &str) -> Result<Next> {
        git(&self.worktree, &["bisect", "reset"])?;
        let args = ["bisect", "start", "--no-checkout", bad, good];
        let out = git(&self.worktree, &args)?;
        self.next(&out)
    }

    /// Says what became of a commit, and returns the next.
    ///
    /// # Errors
    ///
    /// git failed, or says that the ends do not fit.
    pub fn mark(&self, commit: &str, mark: Mark) -> Result<Next> {
        let args = ["bisect", mark.word(), commit];
        let out = git(&self.worktree, &args)?;
        self.next(&out)
    }

    /// Leaves nothing of the bisection in the repository.
    ///
    /// # Errors
    ///
    /// git failed.
    pub fn end(&self) -> Result<()> {
        git(&self.worktree, &["bisect", "reset"]).map(drop)
    }

    fn next(&self, out: &Output) -> Result<Next> {
        let log = run(&self.worktree, &["bisect", "log"])?;
        let hash = |line: &str, what: &str| -> Option<String> {
            let rest = line.strip_prefix(what)?.strip_prefix(": [")?;
            Some(rest.split_once(']')?.0.to_owned())
        };
        let mut found = log.lines();
        if let Some(hash) =
            found.find_map(|line| hash(line, "# first bad commit"))
        {
            return Ok(Next::Found(hash));
        }
        let one_of = log.lines();
        let one_of: Vec<String> = one_of
            .filter_map(|line| hash(line, "# possible first bad commit"))
            .collect();
        if !one_of.is_empty() {
            return Ok(Next::OneOf(one_of));
        }
        if !out.status.success() {
            bail!("git bisect: {}", said(out));
        }
        let commit = run(&self.worktree, &["rev-parse", "BISECT_HEAD"])?;
        let told = text(&out.stdout);
        let left = told.lines().find_map(|line| {
            let (_, rest) = line.split_once("Bisecting: ")?;
            Some(rest.replace(" left to test after this", ""))
        });
        let left = left.unwrap_or_default();
        Ok(Next::Test { commit, left })
    }
}

fn of(commit: &str, file: &str) -> String {
    format!("{commit}:{file}")
}

fn git(dir: &Path, args: &[&str]) -> Result<Output> {
    command(dir, args).output().context("git cannot be started")
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(dir).args(args);
    git.env("LC_ALL", "C");
    // A hook, or `git bisect run`, may be what started us.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        git.env_remove(name);
    }
    git
}

fn run(dir: &Path, args: &[&str]) -> Result<String> {
    let out = git(dir, args)?;
    if !out.status.success() {
        let args = args.join(" ");
        bail!("git -C {} {args}: {}", dir.display(), said(&out));
    }
    Ok(text(&out.stdout))
}

/// What git said, or how it ended: one that a signal ends says nothing.
fn said(out: &Output) -> String {
    let all = text(&[&out.stderr[..], b"\n", &out.stdout].concat());
    match all.is_empty() {
        true => out.status.to_string(),
        false => all,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
