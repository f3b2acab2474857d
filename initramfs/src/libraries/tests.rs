//! Tests of what comes along with a program, and from where.

use super::holds_directory;
use crate::add::{Addition, add};
use crate::newc::{Archive, read};
use crate::testing::{Build, write};
use object::elf;
use std::fs;
use std::path::{Path, PathBuf};

/// A host with nothing but what a test puts there.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.text("lib64/ld.so", "");
        let mut loader = Build::default().bytes();
        loader.extend(b"\0/lib64/\0/usr/lib64/\0");
        write(&host.path("lib64/ld.so"), 0o755, &loader);
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn text(&self, path: &str, text: &str) {
        write(&self.path(path), 0o644, text.as_bytes());
    }

    fn shared_object(&self, path: &str, build: Build) {
        write(&self.path(path), 0o644, &build.bytes());
    }

    fn program(&self, path: &str, build: Build) {
        let interpreter = "/lib64/ld.so";
        let build = Build {
            interpreter,
            ..build
        };
        write(&self.path(path), 0o755, &build.bytes());
    }

    /// Adds `FILE:PATH`s whose files are below this host's root.
    fn added(&self, specs: &[&str]) -> anyhow::Result<Archive> {
        let specs: Vec<Addition> = specs
            .iter()
            .map(|spec| self.path(spec).display().to_string())
            .map(|spec| spec.parse().unwrap())
            .collect();
        let mut archive = Archive::default();
        add(&mut archive, &specs, self.0.path())?;
        Ok(archive)
    }

    fn error(&self, specs: &[&str]) -> String {
        format!("{:#}", self.added(specs).unwrap_err())
    }
}

fn needs(needed: &'static [&'static str]) -> Build {
    Build {
        needed,
        ..Build::default()
    }
}

#[track_caller]
fn holds(archive: &Archive, expected: &[&str]) {
    let bytes = archive.to_bytes().unwrap();
    let (entries, _) = read(&bytes).unwrap();
    let files = entries.iter().filter(|entry| entry.is_file());
    let paths: Vec<&str> = files.map(|entry| &entry.path[..]).collect();
    assert_eq!(paths, expected);
}

#[test]
fn libraries_of_libraries_come_from_where_the_loader_looks() {
    let host = Host::new();
    // `ld.so` is there already when it is needed.
    host.program("p", needs(&["a.so", "ld.so"]));
    host.shared_object("usr/lib64/a.so", needs(&["b.so", "c.so", "a.so"]));
    host.text("etc/ld.so.conf", "# all\ninclude conf.d/*.conf\n");
    host.text("etc/conf.d/1.conf", "/opt/b # here\n/opt/c/,/opt/d\n");
    host.text("etc/conf.d/readme", "/nowhere\n");
    host.shared_object("opt/b/b.so", needs(&[]));
    // Found first, but of another kind, or no library.
    host.shared_object(
        "opt/b/c.so",
        Build {
            machine: elf::EM_AARCH64,
            ..Build::default()
        },
    );
    host.text("opt/c/c.so", "INPUT(c.so.1)\n");
    host.shared_object("opt/d/c.so", needs(&[]));
    let expected = [
        "bin/p",
        "lib64/b.so",
        "lib64/c.so",
        "lib64/ld.so",
        "usr/lib64/a.so",
    ];
    let archive = host.added(&["p:/bin/p"]).unwrap();
    holds(&archive, &expected);
    assert_eq!(archive.get("lib64/ld.so").unwrap().mode, 0o100_755);
    let again = host.added(&["p:/bin/p", "p:/bin/p"]).unwrap();
    let bytes = archive.to_bytes().unwrap();
    assert_eq!(bytes, again.to_bytes().unwrap());
}

#[test]
fn the_origin_is_where_the_program_is_in_the_guest() {
    let host = Host::new();
    host.program(
        "home/build/bin/p",
        Build {
            rpath: "$ORIGIN/../lib:/abs",
            ..needs(&["a.so"])
        },
    );
    host.shared_object("home/build/lib/a.so", needs(&["b.so"]));
    // Reached through the program's DT_RPATH, which is handed down.
    host.shared_object("abs/b.so", needs(&[]));
    let archive = host.added(&["home/build/bin/p:/opt/x/p"]).unwrap();
    let expected = ["abs/b.so", "lib64/ld.so", "opt/lib/a.so", "opt/x/p"];
    holds(&archive, &expected);
}

#[test]
fn a_runpath_is_not_handed_down() {
    let host = Host::new();
    let program = |build: Build| {
        let runpath = "${ORIGIN}";
        let build = Build { runpath, ..build };
        host.program("x/p", build);
    };
    program(needs(&["a.so"]));
    host.shared_object("x/a.so", needs(&["b.so"]));
    host.shared_object("x/b.so", needs(&[]));
    let error = host.error(&["x/p:/x/p"]);
    let by = host.path("x/a.so").display().to_string();
    let what = format!("no `b.so` of the right kind, which {by} needs");
    assert!(error.contains(&what), "{error}");
    assert!(error.contains("/usr/lib64"), "{error}");
    // Known by name once the program itself needs it.
    program(needs(&["b.so", "a.so"]));
    let archive = host.added(&["x/p:/x/p"]).unwrap();
    holds(&archive, &["lib64/ld.so", "x/a.so", "x/b.so", "x/p"]);
}

#[test]
fn what_the_archive_has_comes_first() {
    let host = Host::new();
    host.program("p", needs(&["a.so"]));
    host.shared_object("lib64/a.so", needs(&["b.so"]));
    host.shared_object("root/usr/lib64/a.so", needs(&[]));
    let link = host.path("root/lib64");
    std::os::unix::fs::symlink("usr/lib64", link).unwrap();
    // The order of additions does not matter.
    let archive = host.added(&["p:/bin/p", "root:/"]).unwrap();
    holds(&archive, &["bin/p", "usr/lib64/a.so", "usr/lib64/ld.so"]);
}

#[test]
fn two_libraries_for_one_path_are_refused() {
    let host = Host::new();
    let program = Build {
        runpath: "$ORIGIN",
        ..needs(&["a.so"])
    };
    host.program("1/p", program);
    host.program("2/p", program);
    host.shared_object("1/a.so", needs(&[]));
    host.shared_object("2/a.so", needs(&["ld.so"]));
    let error = host.error(&["1/p:/x/1", "2/p:/x/2"]);
    assert!(error.contains("`/x/a.so` would be both"), "{error}");
    assert!(host.added(&["1/p:/x/1", "2/p:/y/2"]).is_ok());
}

#[test]
fn a_static_program_and_a_module_need_nothing() {
    let host = Host::new();
    host.shared_object("p", Build::default());
    holds(&host.added(&["p:/bin/p"]).unwrap(), &["bin/p"]);
}

#[test]
fn musl_is_its_own_c_library() {
    let host = Host::new();
    let loader = "lib/ld-musl-x86_64.so.1";
    host.shared_object(loader, Build::default());
    host.shared_object("opt/a.so", needs(&["libc.musl-x86_64.so.1"]));
    // The linker script of the other C library.
    host.text("usr/lib64/libc.so", "INPUT(libc.so.6)\n");
    host.text("etc/ld-musl-x86_64.path", "/lib:/opt\n");
    let program = Build {
        interpreter: "/lib/ld-musl-x86_64.so.1",
        ..needs(&["libc.so", "a.so"])
    };
    write(&host.path("p"), 0o755, &program.bytes());
    let archive = host.added(&["p:/bin/p"]).unwrap();
    holds(&archive, &["bin/p", "lib/a.so", loader]);
}

#[test]
fn a_cross_compilers_libraries_are_found() {
    let host = Host::new();
    let machine = elf::EM_AARCH64;
    let own = Build {
        machine,
        ..Build::default()
    };
    let dir = "usr/aarch64-linux-gnu/lib";
    let mut loader = own.bytes();
    loader.extend(b"\0/lib/\0/usr/lib/\0");
    write(&host.path(dir).join("ld.so.1"), 0o755, &loader);
    host.shared_object(&format!("{dir}/a.so"), own);
    let program = Build {
        machine,
        interpreter: "/lib/ld.so.1",
        ..needs(&["a.so"])
    };
    write(&host.path("p"), 0o755, &program.bytes());
    let archive = host.added(&["p:/bin/p"]).unwrap();
    holds(&archive, &["bin/p", "lib/a.so", "lib/ld.so.1"]);
}

#[test]
fn a_missing_loader_is_named() {
    let host = Host::new();
    host.program("p", needs(&[]));
    fs::remove_file(host.path("lib64/ld.so")).unwrap();
    let error = host.error(&["p:/bin/p"]);
    assert!(error.contains("no `ld.so`"), "{error}");
    let looked = host.path("lib64").display().to_string();
    assert!(error.contains(&looked), "{error}");
}

#[test]
fn directories_are_told_from_ends_of_others() {
    let image = b"x\0/lib/a\0/usr/lib/\0";
    assert!(holds_directory(image, "/usr/lib"));
    assert!(!holds_directory(image, "/lib"));
    assert!(holds_directory(b"/lib/\0", "/lib"));
}

#[test]
fn a_program_of_this_machine_comes_with_its_libraries() {
    let spec: Addition = "/bin/ls".parse().unwrap();
    let mut archive = Archive::default();
    add(&mut archive, &[spec], Path::new("/")).unwrap();
    let loaded = |entry: &crate::newc::Entry| {
        let elf = crate::elf::Elf::parse(&entry.data);
        elf.ok().flatten()
    };
    let program = loaded(archive.get("bin/ls").unwrap()).unwrap();
    // A system whose programs are static has nothing to show.
    let Some(loader) = program.interpreter else {
        return;
    };
    assert!(archive.get(&loader).is_some());
    let bytes = archive.to_bytes().unwrap();
    let (entries, _) = read(&bytes).unwrap();
    let names: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry.path.rsplit('/').next())
        .collect();
    for elf in entries.iter().filter_map(loaded) {
        for name in elf.needed {
            assert!(names.contains(&name.as_str()), "{name}");
        }
    }

    // The same with a library that nobody has.
    let Some(first) = program.needed.first() else {
        return;
    };
    let mut bytes = fs::read("/bin/ls").unwrap();
    let at = bytes
        .windows(first.len())
        .position(|window| window == first.as_bytes())
        .unwrap();
    bytes[at..at + 3].copy_from_slice(b"xyz");
    let dir = tempfile::tempdir().unwrap();
    let patched = dir.path().join("patched");
    write(&patched, 0o755, &bytes);
    let spec = patched.display().to_string().parse().unwrap();
    let mut archive = Archive::default();
    let error = add(&mut archive, &[spec], Path::new("/")).unwrap_err();
    let missing = format!("no `xyz{}`", &first[3..]);
    for part in [&missing[..], "patched needs", "/usr/lib"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
