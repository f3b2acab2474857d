//! Which work types execute what a patch changes, by a map of all of them: the
//! third example of `docs/profile.md`, and the first on the way.

use crate::docs::{blocks, cargo};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use xtask::arch::Arch;
use xtask::map::stored::StoredMap;
use xtask::map::{find_in, profiles};
use xtask::{build, cache, kernel, store};

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

/// What a command of the page or another says, and how it ends, in a directory
/// where `cargo xtask` is what is tested, with maps of its own.
fn said(dir: &Path, command: &str) -> (String, Option<i32>) {
    let path = std::env::var_os("PATH").unwrap();
    let dirs = [dir.join("bin")].into_iter();
    let dirs = dirs.chain(std::env::split_paths(&path));
    let out = Command::new("sh")
        .args(["-eu", "-c", command])
        .current_dir(dir)
        .env("PATH", std::env::join_paths(dirs).unwrap())
        .env("PIDONE_CACHE", dir.join("cache"))
        .output()
        .unwrap();
    let [out_text, err] = [&out.stdout, &out.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (out_text + &err, out.status.code())
}

/// Puts there what [`said`] needs: all that is in the cache but its maps.
fn bench(dir: &Path) {
    let cache = dir.join("cache");
    fs::create_dir(&cache).unwrap();
    for entry in fs::read_dir(cache::dir().unwrap()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "maps" {
            let link = cache.join(entry.file_name());
            symlink(entry.path(), link).unwrap();
        }
    }
    cargo(dir);
}

/// The map that is kept with the sources says of the types what the one in
/// this cache does: the functions that most of their iterations are in. Types
/// with few iterations do one thing or another.
fn agrees_with_what_is_kept(cache: &Path, image: &Path) {
    let maps = cache.join("maps");
    let sha256 = store::sha256(image).unwrap();
    let fresh = find_in(&maps, &sha256).unwrap().unwrap();
    let file = build::workspace().join("docs/maps/6.12-cloud.txt");
    let kept = StoredMap::read(&fs::read_to_string(file).unwrap()).unwrap();
    let mut compared = BTreeSet::new();
    for (name, profile) in profiles(&fresh) {
        let of = kept.of(name).unwrap_or_else(|| panic!("no {name}"));
        if profile.iterations.min(of.iterations) < 20 {
            continue;
        }
        let names: BTreeSet<&str> =
            profile.functions.iter().map(|it| &*it.name).collect();
        for (function, numbers) in &of.functions {
            // What comes of ticks comes now and then.
            let calls = numbers.map_or(0, |[_, calls]| calls);
            let matters =
                of.share(function) >= 0.03 && calls * 2 > of.iterations;
            let there = names.contains(&**function);
            assert!(there || !matters, "{name} without {function}");
        }
        compared.insert(name);
    }
    assert!(compared.len() > 20, "{compared:?}");
    // It has a machine of its own.
    assert!(compared.contains("SmtSiblingSpin"), "{compared:?}");
    // These are modules'.
    let traffic = profiles(&fresh).find(|(name, _)| *name == "NetTraffic");
    let functions = &traffic.unwrap().1.functions;
    for module in ["virtnet_poll", "start_xmit"] {
        let found = functions.iter().find(|it| it.name == module);
        assert!(found.is_some_and(|it| it.calls > 20), "{found:?}");
    }
    let unnamed = functions.iter().find(|it| it.name.starts_with("[kernel"));
    let unnamed = unnamed.map_or(0, |function| function.instructions);
    let whole: u64 = functions.iter().map(|it| it.instructions).sum();
    assert!(unnamed * 200 < whole, "{unnamed} of {whole} have no name");
}

#[test]
fn a_patch_has_the_types_that_execute_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    bench(dir);
    let page = build::workspace().join("docs/profile.md");
    let page = fs::read_to_string(page).unwrap();
    let of_page = blocks(&page).into_iter();
    let of_page: Vec<&str> = of_page
        .filter_map(|(of, block)| (of == "sh").then_some(block))
        .collect();
    let [first, _second, third, _sampled] = of_page[..] else {
        panic!("{of_page:?}");
    };
    let (text, code) = said(dir, first);
    assert_eq!(code, Some(0), "{text}");
    for row in ["instructions an iteration", "futex_hash", " all\n"] {
        assert!(text.contains(row), "{row}: {text}");
    }
    let image = kernel::resolve("debian:6.12-cloud", Some(Arch::host()), false);
    let image = image.unwrap();
    symlink(&image, dir.join("bzImage")).unwrap();
    let of_file = "cargo xtask which --kernel bzImage yield_task_fair";
    let (text, code) = said(dir, of_file);
    assert_eq!(code, Some(255), "{text}");
    assert!(text.contains("there is no map of bzImage yet"), "{text}");
    // Of two kernels there is one that comes with the program.
    let (text, code) = said(dir, "cargo xtask which yield_task_fair");
    assert_eq!(code, Some(0), "{text}");
    let few = "`few`; `cargo xtask map --kernel debian:6.12-cloud` makes a";
    assert!(text.contains(few), "{text}");
    assert!(text.contains(" %  "), "{text}");
    assert!(text.contains("\nplan: time=1s work=YieldHeavy"), "{text}");
    fs::write(dir.join("fair.patch"), FAIR).unwrap();
    let (text, code) = said(dir, third);
    assert_eq!(code, Some(0), "{text}");
    let plans: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("plan: time=1s "))
        .collect();
    let [wakes, fair] = plans[..] else {
        panic!("{text}");
    };
    assert!(wakes.contains("work="), "{text}");
    assert!(fair.starts_with("work=YieldHeavy"), "{text}");
    agrees_with_what_is_kept(&dir.join("cache"), &image);
    let (text, code) = said(dir, of_file);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("few"), "{text}");
    let of_patch = |patch: &str| {
        fs::write(dir.join("x.patch"), patch).unwrap();
        said(dir, "cargo xtask which --patch x.patch")
    };
    let (text, code) = of_patch(FUTEX);
    assert_eq!(code, Some(0), "{text}");
    let plan = text.lines().find(|line| line.starts_with("plan: "));
    let futex = plan.unwrap();
    assert!(futex.contains("work=FutexPingPong"), "{text}");
    assert!(!futex.contains("work=YieldHeavy"), "{text}");
    let (text, code) = of_patch(DRIVER);
    assert_eq!(code, Some(125), "{text}");
    let unknown = "no work type executes `x_probe`, and the kernel has no such";
    assert!(text.contains(unknown), "{text}");
    let (text, code) = said(dir, "cargo xtask which pci_enable_device");
    assert_eq!(code, Some(125), "{text}");
    assert!(text.contains("executes `pci_enable_device`\n"), "{text}");
}
