//! The commands of `docs/ci.md` are carried out as they stand there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use xtask::decode::decode;
use xtask::model::Report;
use xtask::{build, ci, dist, kernel};

/// Fenced blocks of a page with their language, in order.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, fenced)) = rest.split_once("\n```") {
        let (block, behind) = fenced.split_once("\n```").unwrap();
        blocks.push(block.split_once('\n').unwrap());
        rest = behind;
    }
    blocks
}

/// What the page asks for to be there: files of a release, a kernel, an image
/// of somebody else's, and `cargo xtask`, which is what is tested.
fn bench(dir: &Path) {
    dist::write(&build::workspace(), dir).unwrap();
    let image = kernel::resolve("debian:6.12-cloud", false).unwrap();
    symlink(image, dir.join("bzImage")).unwrap();
    let device = build::workspace().join("tests/data/ci/device.yaml");
    symlink(device, dir.join("device.yaml")).unwrap();
    let mut other = initramfs::base(b"#!/bin/none\n".to_vec()).unwrap();
    let fill = vec![b'x'; 70_001];
    other.file("etc/other", 0o644, fill).unwrap();
    let gzip = initramfs::compress::Compression::Gzip;
    let other = gzip.compress(&other.to_bytes().unwrap()).unwrap();
    fs::write(dir.join("initrd.img"), other).unwrap();
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    let cargo = format!(
        "#!/bin/sh\n[ \"$1\" = xtask ] && shift\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_xtask")
    );
    fs::write(bin.join("cargo"), cargo).unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(bin.join("cargo"), mode).unwrap();
}

#[test]
fn every_command_of_the_page_on_cis_works() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    bench(dir);
    let own = [dir.join("bin"), ci::tools::lava(false).unwrap()];
    let python = ci::tools::python(false).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let dirs = own.into_iter().chain([python]);
    let dirs = dirs.chain(std::env::split_paths(&path));
    let path = std::env::join_paths(dirs).unwrap();
    let page = build::workspace().join("docs/ci.md");
    let page = fs::read_to_string(page).unwrap();
    let mut commands = 0;
    for (language, block) in blocks(&page) {
        match language {
            "ipxe" => {
                fs::write(dir.join("pidone.ipxe"), block).unwrap();
                continue;
            }
            "toml" => {
                fs::write(dir.join("matrix.toml"), block).unwrap();
                continue;
            }
            "sh" => commands += 1,
            other => panic!("`{other}` is not carried out"),
        }
        let out = Command::new("sh")
            .args(["-eu", "-c", block])
            .current_dir(dir)
            .env("PATH", &path)
            .output()
            .unwrap();
        let said = [out.stdout.clone(), out.stderr.clone()].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(out.status.success(), "{block}\n{}\n{said}", out.status);
    }
    assert!(commands > 10, "{commands} blocks were found");
    // Those that end well whatever is in the machine were in one all the same.
    for log in ["console.log", "pxe.log", "pidone.log"] {
        let log = fs::read(dir.join(log)).unwrap();
        let report = Report::new(&decode(&log).newest());
        assert_eq!(report.runs[0].name, "PipeIo");
        assert_eq!(report.lost_records, 0);
    }
    for file in [
        "job.yaml",
        "pidone.yaml",
        "pidone.jinja2",
        "workflow.yaml",
        "lava/new-small-wakes-2.yaml",
        "tuxrun/new-small-pipes.sh",
        "pidone-matrix.yaml",
        "workflow-matrix.yaml",
    ] {
        assert!(dir.join(file).is_file(), "{file}");
    }
}

#[test]
fn the_matrix_of_the_page_is_the_file_beside_it() {
    let text = |file: &str| {
        let file = build::workspace().join("docs").join(file);
        fs::read_to_string(file).unwrap()
    };
    let (page, file) = (text("matrix.md"), text("matrix.toml"));
    let shown = blocks(&page).into_iter().find(|(of, _)| *of == "toml");
    let (_, shown) = shown.unwrap();
    assert!(file.contains(shown), "{shown}");
    let cells = xtask::matrix::parse(&file).unwrap();
    assert_eq!(cells.len(), 7);
}
