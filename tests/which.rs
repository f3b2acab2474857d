//! Which work types execute what a patch changes, by a map of all of them.

use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::arch::Arch;
use xtask::kernel;

const FAIR: &str = "\
--- a/kernel/sched/fair.c
+++ b/kernel/sched/fair.c
@@ -1,1 +1,2 @@ static void yield_task_fair(struct rq *rq)
 \tx();
+\ty();
";

const FUTEX: &str = "\
--- a/kernel/futex/waitwake.c
+++ b/kernel/futex/waitwake.c
@@ -1,1 +1,2 @@ int futex_wake(u32 __user *uaddr, unsigned int flags,
 \tx();
+\ty();
";

const DRIVER: &str = "\
--- a/drivers/net/x.c
+++ b/drivers/net/x.c
@@ -1,1 +1,2 @@ static int x_probe(struct pci_dev *pdev)
 \tx();
+\ty();
";

/// What a verb says, and how it ends, with a cache of its own.
fn said(cache: &Path, words: &[&str]) -> (String, Option<i32>) {
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(words)
        .env("PIDONE_CACHE", cache)
        .output()
        .unwrap();
    let [out_text, err] = [&out.stdout, &out.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (out_text + &err, out.status.code())
}

#[test]
fn a_patch_has_the_types_that_execute_it() {
    let dir = tempfile::tempdir().unwrap();
    let arch = Arch::host();
    let image = kernel::resolve("debian:6.12-cloud", Some(arch), false);
    let image = image.unwrap().display().to_string();
    let which = |words: &[&str]| {
        let words = [&["which", "--kernel", &image], words].concat();
        said(dir.path(), &words)
    };
    let (text, code) = which(&["schedule"]);
    assert_eq!(code, Some(255), "{text}");
    assert!(text.contains("there is no map of "), "{text}");
    let map = ["map", "--kernel", &image, "--time", "20ms"];
    let (text, code) = said(dir.path(), &map);
    assert_eq!(code, Some(0), "{text}");
    let of_patch = |patch: &str| {
        let file = dir.path().join("x.patch");
        fs::write(&file, patch).unwrap();
        which(&["--patch", &file.display().to_string()])
    };
    let plan = |text: &str| {
        let plan = text.lines().find_map(|l| l.strip_prefix("plan: time=1s "));
        plan.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let (text, code) = of_patch(FAIR);
    assert_eq!(code, Some(0), "{text}");
    let fair = plan(&text);
    assert!(fair.starts_with("work=YieldHeavy"), "{text}");
    let (text, code) = of_patch(FUTEX);
    assert_eq!(code, Some(0), "{text}");
    let futex = plan(&text);
    assert!(futex.contains("work=FutexPingPong"), "{text}");
    assert!(!futex.contains("work=YieldHeavy"), "{text}");
    let (text, code) = of_patch(DRIVER);
    assert_eq!(code, Some(125), "{text}");
    assert!(text.contains("no work type executes `x_probe`"), "{text}");
}
