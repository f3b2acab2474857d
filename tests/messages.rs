//! What every verb says to wrong input, as a text to read.
//!
//! `tests/data/messages.txt` has one wrong input after another, each with what
//! is said of it. Nothing is built or booted: all of it is found before.
//! `PIDONE_OVERWRITE=1` writes the file anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A heading, and commands. In their directory are the files of [`files`].
const INPUTS: [(&str, &[&str]); 9] = [
    (
        "What is no command",
        &[
            "",
            "frobnicate",
            "bot",
            "boot --kernel",
            "boot --kernle x",
            "boot --det -- work=PipeIo",
            "list PipeIo",
            "boot --color red",
            "setup --arch mips",
            "build --target x",
            "check --fast",
            "test --slow smoke",
        ],
    ),
    (
        "Plans",
        &[
            "boot PipeIo",
            "boot work=PipIo",
            "boot work=PipeIo wrkers=2",
            "boot work=PipeIo warmup=24h",
            "boot work=PipeIo warmup=1441m",
            "boot work=PipeIo time=5",
            "boot work=PipeIo expect=wake.p99",
            "boot plan=nightly",
            "boot work=PipeIo --smp 2",
            "boot -- work=PipeIo --json",
        ],
    ),
    (
        "Machines",
        &[
            "boot --smp 0 -- work=PipeIo",
            "boot --smp 3 --numa 2 -- work=PipeIo",
            "boot --mem lots -- work=PipeIo",
            "boot --timeout 0 -- work=PipeIo",
            "boot --nic tap -- work=PipeIo",
            "boot --disk zip -- work=PipeIo",
            "boot --deterministic=x -- work=PipeIo",
            "boot --add /no/such -- work=PipeIo",
            "pack --compression=zip",
        ],
    ),
    (
        "Kernels",
        &[
            "boot --kernel none.img -- work=PipeIo",
            "boot --kernel text.txt -- work=PipeIo",
            "boot --kernel empty.img -- work=PipeIo",
            "boot --kernel cut.img -- work=PipeIo",
            "boot --kernel . -- work=PipeIo",
            "boot --kernel tree -- work=PipeIo",
            "boot --kernel debian:potato -- work=PipeIo",
            "boot --kernel https://kernel.org/bzImage -- work=PipeIo",
            "kernel",
            "kernel check text.txt",
            "kernel build --tree none",
        ],
    ),
    (
        "Output",
        &[
            "boot --format yaml -- work=PipeIo",
            "boot --json - --format csv -- work=PipeIo",
            "compare a b --json /none/x.json -- work=PipeIo",
            "report log.txt --output text.txt",
        ],
    ),
    (
        "Two kernels",
        &[
            "compare",
            "compare text.txt",
            "compare text.txt -- work=PipeIo",
            "compare none.img other.img --store stored -- work=PipeIo",
            "compare text.txt text.txt --seeds 3 -- work=PipeIo",
            "compare text.txt text.txt --runs 0 -- work=PipeIo",
            "compare text.txt text.txt --margin 200 -- work=PipeIo",
            "compare text.txt text.txt --plan-b work=PipeIo -- time=1s",
            "judge -- work=PipeIo",
            "judge --kernel text.txt --tree tree -- work=PipeIo",
            "judge --tree /no/such -- work=PipeIo",
            "judge --kernel text.txt --expect wake.p99 -- work=PipeIo",
            "judge --kernel text.txt --expect wak.p99<1s -- work=PipeIo",
            "judge --kernel text.txt --metric rate -- work=PipeIo",
            "judge --kernel text.txt --baseline x -- work=PipeIo",
            "judge --kernel text.txt --worse-by 5% -- work=PipeIo",
            "judge --kernel text.txt --worse-by much -- work=PipeIo",
            "judge --kernel text.txt --panic good -- work=PipeIo",
            "judge --kernel text.txt --panic maybe -- work=PipeIo",
            "judge --kernel text.txt --bayes skip -- work=PipeIo",
            "judge --kernel text.txt --seeds 2 -- work=PipeIo",
            "judge --kernel text.txt --runs 0 -- work=PipeIo",
            "judge --log text.txt",
            "bisect --tree tree -- work=PipeIo",
            "bisect --tree none --good a --bad b -- work=PipeIo",
            "review --tree none",
            "knobs --feature X --kernel text.txt -- work=PipeIo",
        ],
    ),
    (
        "Many kernels",
        &[
            "matrix",
            "matrix run none.toml",
            "matrix run bad.toml",
            "matrix list half.toml",
            "matrix summary none --store stored",
        ],
    ),
    (
        "What is stored",
        &[
            "boot --runs here -- work=PipeIo",
            "runs --store text.txt",
            "decode none.log --store stored",
            "decode text.txt",
            "decode --format=xml /dev/null",
            "report",
            "report none --store stored",
            "import",
            "import none.zip",
            "import text.txt",
            "trace none --store stored",
        ],
    ),
    (
        "What there is to know",
        &[
            "explain",
            "explain PipIo",
            "explain pip",
            "explain try_to_wake_up",
            "explain W6",
            "map none",
            "which",
            "ci",
            "ci jenkins --ramdisk http://x/y.gz",
            "dist x",
        ],
    ),
];

/// Nothing that these commands read is what it should be.
fn files(dir: &Path) {
    let kernel = {
        // The header of an EFI image, whose section ends behind the file.
        let mut head = vec![0_u8; 256];
        head[..2].copy_from_slice(b"MZ");
        head[0x3c] = 0x40;
        head[0x40..0x44].copy_from_slice(b"PE\0\0");
        head[0x46] = 1;
        head[0x58 + 17] = 0x20;
        head
    };
    for (name, bytes) in [
        ("text.txt", &b"hello world\n"[..]),
        ("log.txt", b"[    0.000000] Linux version 6.12\n"),
        ("empty.img", b""),
        ("cut.img", &kernel),
        ("bad.toml", b"x = [\n"),
        ("half.toml", b"[kernels]\nnew = \"host\"\n"),
        ("tree/Kconfig", b""),
    ] {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// What a command says, and what it ends with.
fn said(dir: &Path, words: &str) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(words.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = [out.stdout, out.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let text = text
        .replace(&dir.display().to_string(), "DIR")
        .replace(&workspace.display().to_string(), "PIDONE");
    let code = out.status.code().unwrap();
    let text = text.trim();
    let command = format!("$ cargo xtask {words}");
    format!("{}\n{text}\n[{code}]\n", command.trim_end())
}

#[test]
fn what_is_wrong_is_said_so_that_it_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    files(&dir);
    let mut all = String::from(
        "What `cargo xtask` says to wrong input, and what it ends with.\n\
         tests/messages.rs makes this; PIDONE_OVERWRITE=1 writes it anew.\n",
    );
    let mut verbs = BTreeSet::new();
    for (heading, commands) in INPUTS {
        all += &format!("\n## {heading}\n");
        for words in commands {
            verbs.extend(words.split(' ').next());
            let said = said(&dir, words);
            // It did find the mistake, and not something else.
            for never in ["panicked", "Compiling", "No space left"] {
                assert!(!said.contains(never), "{said}");
            }
            assert!(!said.ends_with("\n[0]\n"), "{said}");
            all += &format!("\n{said}");
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/messages.txt");
    if std::env::var_os("PIDONE_OVERWRITE").is_some() {
        fs::write(&file, &all).unwrap();
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    let differs = all.lines().zip(known.lines()).find(|(is, was)| is != was);
    assert!(
        all == known,
        "PIDONE_OVERWRITE=1 writes the messages anew; the first line that \
         differs is now and was: {differs:#?}"
    );
    // What is forgotten is a verb without a wrong input.
    let help = said_of_help(&dir);
    let missing = help.iter().filter(|verb| !verbs.contains(verb.as_str()));
    let missing: Vec<&String> = missing.collect();
    assert!(
        missing.is_empty(),
        "without a wrong input here: {missing:?}"
    );
}

/// All verbs.
fn said_of_help(dir: &Path) -> Vec<String> {
    let text = said(dir, "nothing-like-it");
    let (_, list) = text.split_once("valid are ").unwrap();
    let list = list.lines().next().unwrap();
    list.split(", ").map(str::to_owned).collect()
}
