//! Compression as the kernel's initramfs unpacker takes it.

use anyhow::{Context, Result, bail};
use core::fmt;
use core::str::FromStr;
use std::io::{Read, Write};

/// A form of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// xz with a CRC-32, the only check the kernel has.
    Xz,
    /// LZ4 in its legacy frame, the only one the kernel has.
    Lz4,
}

/// Largest block of the legacy LZ4 frame.
const LZ4_BLOCK: usize = 8 << 20;
const LZ4_MAGIC: u32 = 0x184c_2102;
/// The most that is unpacked, of one stream or of all of an image: a small
/// file may unpack to more than a host has memory.
pub const LIMIT: usize = 512 << 20;

impl Compression {
    /// All.
    pub const ALL: &'static [Self] =
        &[Self::None, Self::Gzip, Self::Zstd, Self::Xz, Self::Lz4];

    /// Its name in options.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
        }
    }

    /// Suffix of a file.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "cpio",
            Self::Gzip => "cpio.gz",
            Self::Zstd => "cpio.zst",
            Self::Xz => "cpio.xz",
            Self::Lz4 => "cpio.lz4",
        }
    }

    /// The compression whose suffix a file name has.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|how| {
            let stem = name.strip_suffix(how.suffix());
            stem.is_some_and(|stem| stem.ends_with('.'))
        })
    }

    /// The compression that these bytes begin as. `None` is never found: it
    /// has no beginning of its own.
    #[must_use]
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        let lz4 = LZ4_MAGIC.to_le_bytes();
        let magics: [(Self, &[u8]); 4] = [
            (Self::Gzip, &[0x1f, 0x8b, 8]),
            (Self::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
            (Self::Xz, b"\xfd7zXZ\0"),
            (Self::Lz4, &lz4),
        ];
        let found = magics.iter().find(|(_, magic)| bytes.starts_with(magic));
        found.map(|&(how, _)| how)
    }

    /// Decompresses one stream, and returns with it the number of bytes it
    /// took; others may follow.
    ///
    /// # Errors
    ///
    /// What the library said of a damaged stream; or it is more than
    /// [`LIMIT`].
    pub fn decompress(self, bytes: &[u8]) -> Result<(Vec<u8>, usize)> {
        self.decompress_within(bytes, LIMIT)
    }

    /// The same with a limit of one's own.
    ///
    /// # Errors
    ///
    /// As those of [`Self::decompress`].
    pub fn decompress_within(
        self,
        bytes: &[u8],
        limit: usize,
    ) -> Result<(Vec<u8>, usize)> {
        let mut out = Vec::new();
        let rest = match self {
            Self::None => {
                out.extend_from_slice(bytes);
                &[]
            }
            Self::Gzip => {
                let mut gzip = flate2::bufread::GzDecoder::new(bytes);
                within(&mut gzip, &mut out, limit).context("gzip")?;
                gzip.into_inner()
            }
            Self::Zstd => {
                let zstd = zstd::stream::read::Decoder::with_buffer(bytes);
                let mut zstd = zstd.context("zstd")?.single_frame();
                within(&mut zstd, &mut out, limit).context("zstd")?;
                zstd.finish()
            }
            Self::Xz => {
                let mut xz = liblzma::bufread::XzDecoder::new(bytes);
                within(&mut xz, &mut out, limit).context("xz")?;
                xz.into_inner()
            }
            Self::Lz4 => unpack_lz4(bytes, &mut out, limit).context("lz4")?,
        };
        Ok((out, bytes.len() - rest.len()))
    }

    /// Compresses, always to the same bytes.
    ///
    /// # Errors
    ///
    /// What the library said.
    pub fn compress(self, bytes: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::None => Ok(bytes.to_vec()),
            Self::Gzip => {
                let level = flate2::Compression::best();
                let mut gzip =
                    flate2::GzBuilder::new().mtime(0).write(Vec::new(), level);
                gzip.write_all(bytes).context("gzip")?;
                gzip.finish().context("gzip")
            }
            Self::Zstd => zstd::bulk::compress(bytes, 19).context("zstd"),
            Self::Xz => {
                let check = liblzma::stream::Check::Crc32;
                let stream =
                    liblzma::stream::Stream::new_easy_encoder(9, check)
                        .context("xz")?;
                let mut xz =
                    liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
                xz.write_all(bytes).context("xz")?;
                xz.finish().context("xz")
            }
            Self::Lz4 => {
                let mut out = LZ4_MAGIC.to_le_bytes().to_vec();
                for block in bytes.chunks(LZ4_BLOCK) {
                    let packed = lz4_flex::block::compress(block);
                    let len = u32::try_from(packed.len())?;
                    out.extend_from_slice(&len.to_le_bytes());
                    out.extend_from_slice(&packed);
                }
                Ok(out)
            }
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.iter().find(|c| c.name() == name) {
            Some(&compression) => Ok(compression),
            None => bail!(
                "no compression `{name}`; valid are none, gzip, zstd, xz, lz4"
            ),
        }
    }
}

/// Reads all there is, if it is no more than that.
fn within(from: &mut impl Read, out: &mut Vec<u8>, limit: usize) -> Result<()> {
    let most = u64::try_from(limit)?.saturating_add(1);
    from.take(most).read_to_end(out)?;
    fits(out, limit)
}

fn fits(out: &[u8], limit: usize) -> Result<()> {
    if out.len() > limit {
        let mib = LIMIT >> 20;
        bail!("it unpacks to more than {mib} MiB, which is the limit");
    }
    Ok(())
}

/// The legacy frame has no end mark: it ends where the bytes do, or where
/// something else begins.
fn unpack_lz4<'b>(
    bytes: &'b [u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<&'b [u8]> {
    let magic = LZ4_MAGIC.to_le_bytes();
    let mut rest = bytes.strip_prefix(&magic).context("no frame")?;
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let len = usize::try_from(u32::from_le_bytes(*len))?;
        let other = len == 0
            || Compression::detect(rest).is_some()
            || crate::newc::starts(rest);
        if other {
            break;
        }
        let block = tail.get(..len).context("the last block is cut short")?;
        out.extend(lz4_flex::block::decompress(block, LZ4_BLOCK)?);
        fits(out, limit)?;
        rest = &tail[len..];
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::Compression;

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let zeros = vec![0; 1 << 20];
        for &how in Compression::ALL.iter().filter(|how| how.name() != "none") {
            let bomb = how.compress(&zeros).unwrap();
            assert!(bomb.len() < zeros.len() / 100, "{how}");
            let (whole, _) = how.decompress_within(&bomb, 1 << 20).unwrap();
            assert_eq!(whole, zeros);
            let error = how.decompress_within(&bomb, (1 << 20) - 1);
            let error = format!("{:#}", error.unwrap_err());
            assert!(error.contains("more than 512 MiB"), "{error}");
        }
    }

    #[test]
    fn everything_comes_back_and_is_repeatable() {
        let text: Vec<u8> = b"scheduler ".repeat(5000);
        for &how in Compression::ALL {
            let packed = how.compress(&text).unwrap();
            assert_eq!(packed, how.compress(&text).unwrap(), "{how}");
            let (unpacked, used) = how.decompress(&packed).unwrap();
            assert!(unpacked == text, "{how}");
            assert_eq!(used, packed.len(), "{how}");
            let name = format!("a.{}", how.suffix());
            assert_eq!(Compression::of_name(&name), Some(how));
            assert_eq!(how.name().parse::<Compression>().unwrap(), how);
        }
        assert!("lzma".parse::<Compression>().is_err());
    }

    #[test]
    fn a_stream_ends_where_the_next_begins() {
        for &how in &Compression::ALL[1..] {
            let packed = how.compress(b"one").unwrap();
            assert_eq!(Compression::detect(&packed), Some(how));
            for next in [&packed[..], b"070701", &[0; 512]] {
                let both = [&packed, next].concat();
                let (one, used) = how.decompress(&both).unwrap();
                assert_eq!((&one[..], used), (&b"one"[..], packed.len()));
            }
            let cut = &packed[..packed.len() - 1];
            assert!(how.decompress(cut).is_err(), "{how}");
        }
    }
}
