//! Compression as the kernel's initramfs unpacker takes it.

use anyhow::{Context, Result, bail};
use core::fmt;
use core::str::FromStr;
use std::io::Write;

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

#[cfg(test)]
mod tests {
    use super::{Compression, LZ4_BLOCK};
    use std::io::Read;

    fn unpack(how: Compression, packed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match how {
            Compression::None => out.extend_from_slice(packed),
            Compression::Gzip => {
                flate2::read::GzDecoder::new(packed)
                    .read_to_end(&mut out)
                    .unwrap();
            }
            Compression::Zstd => out = zstd::decode_all(packed).unwrap(),
            Compression::Xz => {
                liblzma::read::XzDecoder::new(packed)
                    .read_to_end(&mut out)
                    .unwrap();
            }
            Compression::Lz4 => {
                let mut rest = &packed[4..];
                while let Some((len, tail)) = rest.split_first_chunk::<4>() {
                    let len = u32::from_le_bytes(*len) as usize;
                    let block = &tail[..len];
                    out.extend(
                        lz4_flex::block::decompress(block, LZ4_BLOCK).unwrap(),
                    );
                    rest = &tail[len..];
                }
            }
        }
        out
    }

    #[test]
    fn everything_comes_back_and_is_repeatable() {
        let text: Vec<u8> = b"scheduler ".repeat(5000);
        for &how in Compression::ALL {
            let packed = how.compress(&text).unwrap();
            assert_eq!(packed, how.compress(&text).unwrap(), "{how}");
            assert_eq!(unpack(how, &packed), text, "{how}");
            assert_eq!(how.name().parse::<Compression>().unwrap(), how);
        }
        assert!("lzma".parse::<Compression>().is_err());
    }
}
