//! What stands for others: programs that are shell scripts, and histories
//! whose commits are kernels that are there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::kernel;

/// Makes a program of lines of a shell.
pub(crate) fn script(file: &Path, lines: &str) {
    fs::write(file, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Git in a tree; what it printed.
#[track_caller]
pub(crate) fn git(tree: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree);
    git.args(["-c", "user.name=a", "-c", "user.email=a@b"]);
    let out = git.args(args).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "git {args:?}: {said}");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// Commits all there is in a tree, and tags it with its subject.
#[track_caller]
pub(crate) fn commit(tree: &Path, name: &str) {
    git(tree, &["add", "."]);
    git(tree, &["commit", "-q", "-m", name]);
    git(tree, &["tag", name]);
}

/// Makes a tree with a commit for each of these names, in which `make bzImage`
/// gives the kernel beside it, and fails where that has no name.
pub(crate) fn made(tree: &Path, commits: &[(&str, &str)]) {
    fs::create_dir_all(tree.join("arch/x86/boot")).unwrap();
    fs::write(tree.join(".gitignore"), "arch\n").unwrap();
    git(tree, &["init", "-q"]);
    for (name, kernel) in commits {
        let build = match kernel.is_empty() {
            true => "false".to_owned(),
            false => {
                let image = kernel::resolve(kernel, None, false).unwrap();
                format!("cp {} arch/x86/boot/bzImage", image.display())
            }
        };
        let makefile = format!("bzImage:\n\t{build} # {name}\n");
        fs::write(tree.join("Makefile"), makefile).unwrap();
        commit(tree, name);
    }
}

/// Makes a tree with a commit for each of these names, whose kernel is the one
/// beside it. Returns where the program `make` is that builds it in no time;
/// `early` is done before.
pub(crate) fn history(
    dir: &Path,
    commits: &[(&str, &str)],
    early: &str,
) -> PathBuf {
    let tree = dir.join("linux");
    fs::create_dir(&tree).unwrap();
    git(&tree, &["init", "-q"]);
    for (name, kernel) in commits {
        let image = kernel::resolve(kernel, None, false).unwrap();
        fs::write(tree.join("Kconfig"), name).unwrap();
        fs::write(tree.join("Kbuild"), image.display().to_string()).unwrap();
        commit(&tree, name);
    }
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    let make = format!(
        "tree=$2\n\
         for word; do case $word in\n\
         O=*) out=${{word#O=}};;\n\
         tinyconfig) echo CONFIG_A=y >$out/.config;;\n\
         bzImage)\n\
         {early}\n\
         mkdir -p $out/arch/x86/boot $out/include/config\n\
         cp $(cat $tree/Kbuild) $out/arch/x86/boot/bzImage\n\
         cp $(cat $tree/Kbuild) $out/vmlinux\n\
         echo 6.12 >$out/include/config/kernel.release;;\n\
         esac; done"
    );
    script(&bin.join("make"), &make);
    bin
}
