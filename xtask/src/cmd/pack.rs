//! `pack`: the payload as an initramfs.

use crate::build;
use anyhow::{Result, bail};
use argh::FromArgs;
use initramfs::compress::Compression;

/// Build the payload and pack it into an initramfs.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "pack")]
pub struct Args {
    /// none, gzip, zstd (the default), xz or lz4
    #[argh(option, default = "Compression::Zstd")]
    compression: Compression,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// The build fails or the image is over its budget.
pub fn run(args: &Args) -> Result<u8> {
    let payload = build::payload(args.setup)?;
    let image = build::pack(&payload, args.compression)?;
    let (size, most) = (build::size(&image)?, build::IMAGE_BUDGET);
    println!("{} ({size} bytes)", image.display());
    if args.compression == Compression::Zstd && size > most {
        bail!("the image is over its budget of {most} bytes");
    }
    Ok(super::exit::GOOD)
}
