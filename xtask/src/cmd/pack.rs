//! `pack`: the payload as an initramfs.

use crate::arch::Arch;
use crate::exit::Exit;
use crate::untrusted::line as one_line;
use crate::{build, supply};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use initramfs::add::Addition;
use initramfs::compress::Compression;
use initramfs::list::{self, Part};
use initramfs::newc::Entry;
use std::fs;
use std::path::PathBuf;

/// Build the payload and pack it into an initramfs, or list one.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "pack")]
#[argh(
    example = "An image for a boot loader of one's own:\n\
               \x20 {command_name} --output pidone.cpio.gz",
    example = "With a program, the libraries it needs, and a plan:\n\
               \x20 {command_name} --add /usr/bin/stress-ng \
               --add my.plan:/plans/mine --list",
    example = "For a kernel with its drivers in modules:\n\
               \x20 {command_name} --module virtio_blk \
               --modules /lib/modules/6.12.0",
    example = "What is in an image:\n\
               \x20 {command_name} --list /boot/initrd.img",
    error_code(0, "it is packed, or listed"),
    error_code(255, "it is not")
)]
pub struct Args {
    /// none, gzip, zstd (the default), xz or lz4; by default what the name
    /// of --output says
    #[argh(option)]
    compression: Option<Compression>,
    /// x86_64, aarch64 or riscv64; by default the host's
    #[argh(option, default = "Default::default()")]
    arch: &'static Arch,
    /// a file or directory to add, as FILE or FILE:PATH, with the libraries
    /// that it needs; may be repeated
    #[argh(option)]
    add: Vec<Addition>,
    /// a kernel module for the payload to load, with those that it needs; may
    /// be repeated
    #[argh(option)]
    module: Vec<String>,
    /// where these are: a /lib/modules/VERSION
    #[argh(option)]
    modules: Option<PathBuf>,
    /// the file to write; by default one beside the payload
    #[argh(option)]
    output: Option<PathBuf>,
    /// list what was packed, or what is in FILE
    #[argh(switch)]
    list: bool,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
    /// an initramfs to list instead of packing one
    #[argh(positional)]
    file: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
///
/// The build fails, something cannot be added, or the image without additions
/// is over its budget.
pub fn run(args: &Args) -> Result<Exit> {
    if let Some(file) = &args.file {
        let packs = !args.add.is_empty() || !args.module.is_empty();
        if !args.list || packs || args.output.is_some() {
            bail!(
                "FILE goes with --list, and not with --add, --module or \
                 --output"
            );
        }
        let what = || file.display().to_string();
        let image = fs::read(file).with_context(what)?;
        print(&list::read(&image).with_context(what)?)?;
        return Ok(Exit::Good);
    }
    let name = args.output.as_ref().and_then(|output| output.to_str());
    let compression = args
        .compression
        .or_else(|| Compression::of_name(name?))
        .unwrap_or(Compression::Zstd);
    let mut added = build::additions(&args.add)?;
    let names: Vec<&str> = args.module.iter().map(String::as_str).collect();
    match &args.modules {
        Some(tree) => build::pack_modules(&mut added, tree, &names)?,
        None if names.is_empty() => {}
        None => bail!("--module needs --modules DIR, where it is"),
    }
    build::require_arch(args.arch, &added, None)?;
    let bare = added.is_empty();
    let payload = supply::payload(args.arch, args.setup)?;
    let path = args.output.clone().unwrap_or_else(|| {
        let name = if bare { "pidone" } else { "pidone-added" };
        payload
            .with_file_name(name)
            .with_extension(compression.suffix())
    });
    let image = build::image(&payload, added, compression)?;
    match &args.output {
        None if !bare => build::write_private(&path, &image)?,
        _ => build::write(&path, &image)?,
    }
    let (size, most) = (image.len(), args.arch.image_budget);
    let held = bare && compression == Compression::Zstd;
    let budget = match held {
        true => format!("; budget {most}"),
        false => String::new(),
    };
    super::say(format_args!("{} ({size} bytes{budget})", path.display()))?;
    if args.list {
        print(&list::read(&image)?)?;
    }
    if held && size > most {
        bail!("the image is over its budget of {most} bytes");
    }
    Ok(Exit::Good)
}

fn print(parts: &[Part]) -> Result<()> {
    for part in parts {
        let (size, how) = (part.size, part.compression);
        super::say(format_args!("{size} bytes, compression {how}:"))?;
        for entry in &part.entries {
            super::say(format_args!("{}", line(entry)))?;
        }
    }
    Ok(())
}

/// An entry as `ls -l` would show it, without what is always the same.
fn line(entry: &Entry) -> String {
    let kind = match entry.mode >> 12 {
        0o01 => 'p',
        0o02 => 'c',
        0o04 => 'd',
        0o06 => 'b',
        0o10 => '-',
        0o12 => 'l',
        0o14 => 's',
        _ => '?',
    };
    let rights = |(letter, bit): (char, u32)| match entry.mode >> bit & 1 {
        1 => letter,
        _ => '-',
    };
    let mode: String =
        "rwxrwxrwx".chars().zip((0..9).rev()).map(rights).collect();
    let size = match (kind, entry.device) {
        ('b' | 'c', (major, minor)) => format!("{major}, {minor}"),
        _ => entry.data.len().to_string(),
    };
    let path = one_line(&entry.path);
    let target = entry.target().map(|to| format!(" -> {}", one_line(to)));
    format!(
        "{kind}{mode} {size:>9} {path}{}",
        target.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::line;
    use initramfs::newc::Archive;

    #[test]
    fn entries_are_shown_as_ls_does() {
        let mut archive = Archive::default();
        archive.char_device("dev/null", 0o666, (1, 3)).unwrap();
        archive.file("init", 0o755, vec![0; 1234]).unwrap();
        archive.symlink("lib", "usr/lib").unwrap();
        archive.symlink("x\n\x1b[2J", "\u{202e}a").unwrap();
        let lines: Vec<String> = archive.entries().map(line).collect();
        assert_eq!(
            lines,
            [
                "drwxr-xr-x         0 dev",
                "crw-rw-rw-      1, 3 dev/null",
                "-rwxr-xr-x      1234 init",
                "lrwxrwxrwx         7 lib -> usr/lib",
                "lrwxrwxrwx         4 x \u{fffd}[2J -> \u{fffd}a",
            ]
        );
    }
}
