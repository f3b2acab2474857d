//! The configuration inside a kernel image (`CONFIG_IKCONFIG`), and its
//! release.
//!
//! It lies in the kernel proper, gzipped, behind a mark. Most images have the
//! kernel proper compressed: where it is, two kinds of header say, and in all
//! others it is looked for.

use anyhow::{Context, Result, bail};
use initramfs::compress::Compression;
use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What stands in front of the gzipped configuration.
const MARK: &[u8] = b"IKCFG_ST";

/// Compressions of kernels which are known and not read.
const UNREAD: [(&str, &[u8]); 2] = [("bzip2", b"BZh9"), ("lzo", b"\x89LZO")];

/// LZMA as the kernel's build makes it: properties, and a dictionary of a
/// whole number of MiB.
const LZMA: &[u8] = &[0x5d, 0, 0];

/// The configuration in an image.
///
/// # Errors
///
/// It has none, or is compressed in a way that is not read.
pub fn config(image: &[u8]) -> Result<String> {
    let payload = bzimage(image).or_else(|| zboot(image));
    if let Some(payload) = payload {
        return marked(&unpack(payload)?).context(
            "the kernel in it has no configuration (CONFIG_IKCONFIG is off)",
        );
    }
    if let Some(text) = marked(image) {
        return Ok(text);
    }
    // A kernel for a board: its decompressor, and the rest somewhere in it.
    for at in 0..image.len() {
        let Some(rest) = image.get(at..) else { break };
        let Some(how) = Compression::detect(rest) else {
            continue;
        };
        // What merely looks like a beginning ends soon.
        if let Ok((kernel, _)) = how.decompress(rest)
            && let Some(text) = marked(&kernel)
        {
            return Ok(text);
        }
    }
    bail!(
        "no configuration found (CONFIG_IKCONFIG is off, or the kernel is \
         compressed with bzip2, lzo or lzma behind an unknown header)"
    )
}

/// Where the boot header of x86 has the place of the version.
const VERSION: usize = 0x20e;

/// The release of the kernel in an image, as `uname -r` will say it.
#[must_use]
pub fn release(image: &[u8]) -> Option<String> {
    if bzimage(image).is_some() {
        let at = image.get(VERSION..VERSION + 2)?.try_into().ok()?;
        let at = 0x200 + usize::from(u16::from_le_bytes(at));
        let text = image.get(at..)?.split(|&byte| byte == 0).next()?;
        let word = text.split(|&byte| byte == b' ').next()?;
        return Some(core::str::from_utf8(word).ok()?.to_owned());
    }
    let unpacked = match zboot(image) {
        Some(payload) => Some(unpack(payload).ok()?),
        None => Compression::detect(image)
            .and_then(|how| how.decompress(image).ok())
            .map(|(kernel, _)| kernel),
    };
    let kernel = unpacked.as_deref().unwrap_or(image);
    let mut begun = kernel.windows(BANNER.len()).zip(BANNER.len()..);
    let (_, at) = begun.find(|(text, _)| *text == BANNER)?;
    let word = kernel.get(at..)?.split(u8::is_ascii_whitespace).next()?;
    Some(core::str::from_utf8(word).ok()?.to_owned())
}

/// How the first line of a kernel begins.
const BANNER: &[u8] = b"Linux version ";

/// The configuration behind the mark, if it is there.
fn marked(kernel: &[u8]) -> Option<String> {
    let mut rest = kernel;
    // The mark may be in other places: in a tool's own text, and cut short in
    // a compressed kernel, since what is gzipped does not get smaller and is
    // there in pieces.
    while let Some(at) = rest.windows(MARK.len()).position(|w| w == MARK) {
        rest = &rest[at + MARK.len()..];
        if Compression::detect(rest) == Some(Compression::Gzip)
            && let Ok((text, _)) = Compression::Gzip.decompress(rest)
            && let Ok(text) = String::from_utf8(text)
        {
            return Some(text);
        }
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*field)).ok()
}

/// The compressed kernel in an image for x86: its boot protocol (2.08) says
/// where.
fn bzimage(image: &[u8]) -> Option<&[u8]> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let sectors = match image.get(0x1f1)? {
        0 => 4,
        &n => usize::from(n),
    };
    let begin = (sectors + 1) * 512 + u32_at(image, 0x248)?;
    image.get(begin..)?.get(..u32_at(image, 0x24c)?)
}

/// The length of a file, and what its EFI header says that it should at least
/// be, if that is more: a download or a copy ended early. Of other images
/// nothing is known.
///
/// # Errors
///
/// It cannot be read.
pub fn cut_off(path: &Path) -> Result<Option<[u64; 2]>> {
    let what = || path.display().to_string();
    let file = File::open(path).with_context(what)?;
    let is = file.metadata().with_context(what)?.len();
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).with_context(what)?;
    let should = efi_length(&head).filter(|should| *should > is);
    Ok(should.map(|should| [is, should]))
}

/// As much of a file as has the tables of its EFI header.
const HEAD: u64 = 4096;

/// Where the last section of an EFI image ends.
fn efi_length(image: &[u8]) -> Option<u64> {
    if image.get(..2)? != b"MZ" {
        return None;
    }
    let pe = u32_at(image, 0x3c)?;
    if image.get(pe..pe + 4)? != b"PE\0\0" {
        return None;
    }
    let u16_at = |at: usize| -> Option<usize> {
        let bytes = image.get(at..at + 2)?.try_into().ok()?;
        Some(u16::from_le_bytes(bytes).into())
    };
    let table = pe + 24 + u16_at(pe + 20)?;
    let ends = (0..u16_at(pe + 6)?).map(|n| {
        let section = table + 40 * n;
        let size = u32_at(image, section + 16)?;
        Some(u32_at(image, section + 20)? as u64 + size as u64)
    });
    ends.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// The compressed kernel in an EFI image of other architectures.
fn zboot(image: &[u8]) -> Option<&[u8]> {
    if image.get(4..8)? != b"zimg" {
        return None;
    }
    image.get(u32_at(image, 8)?..)?.get(..u32_at(image, 12)?)
}

/// What is in an EFI image that unpacks itself, which QEMU before 8.0 cannot
/// do for it.
///
/// # Errors
///
/// It is compressed in a way that is not read.
pub fn bootable(image: &[u8]) -> Result<Option<Vec<u8>>> {
    zboot(image).map(unpack).transpose()
}

/// The kernel proper: what an image unpacks itself to, or the image as it is.
///
/// # Errors
///
/// It is compressed in a way that is not read.
pub fn proper(image: &[u8]) -> Result<Vec<u8>> {
    unpack(bzimage(image).or_else(|| zboot(image)).unwrap_or(image))
}

/// Decompresses a kernel; its size may follow in four bytes.
fn unpack(payload: &[u8]) -> Result<Vec<u8>> {
    if let Some((name, _)) =
        UNREAD.iter().find(|(_, magic)| payload.starts_with(magic))
    {
        bail!(
            "the kernel in it is compressed with {name}, which is not read; \
             gzip, zstd, xz, lzma and lz4 are"
        );
    }
    let sized = payload.len().saturating_sub(4);
    match Compression::detect(payload) {
        // The frame ends where the bytes do: the size is not part of it.
        Some(Compression::Lz4) => {
            let whole = Compression::Lz4.decompress(payload);
            let whole = whole
                .or_else(|_| Compression::Lz4.decompress(&payload[..sized]));
            Ok(whole?.0)
        }
        Some(how) => Ok(how.decompress(payload)?.0),
        None if payload.starts_with(LZMA) => {
            let stream = Stream::new_lzma_decoder(u64::MAX)?;
            let mut kernel = Vec::new();
            XzDecoder::new_stream(payload, stream)
                .read_to_end(&mut kernel)
                .context("lzma")?;
            Ok(kernel)
        }
        None => Ok(payload.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::{MARK, bootable, config, release};
    use initramfs::compress::Compression;
    use liblzma::stream::{LzmaOptions, Stream};
    use liblzma::write::XzEncoder;
    use proptest::prelude::{any, proptest};
    use std::io::Write;

    const TEXT: &str = "CONFIG_IKCONFIG=y\n";

    fn kernel() -> Vec<u8> {
        let packed = Compression::Gzip.compress(TEXT.as_bytes()).unwrap();
        let noise = b"text IKCFG_ST and more ".repeat(2000);
        [&noise, MARK, &packed, b"IKCFG_ED", &noise].concat()
    }

    fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        let len = u32::try_from(payload.len()).unwrap();
        image[0x24c..0x250].copy_from_slice(&len.to_le_bytes());
        [&image, &[7; 16][..], payload, &[9; 100]].concat()
    }

    fn zboot(payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
        let head = [b"MZ\0\0zimg", &[16, 0, 0, 0][..], &len].concat();
        [&head, payload, &[9; 100]].concat()
    }

    fn lzma(bytes: &[u8]) -> Vec<u8> {
        let options = LzmaOptions::new_preset(6).unwrap();
        let stream = Stream::new_lzma_encoder(&options).unwrap();
        let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_compression_is_read_behind_every_header() {
        let kernel = kernel();
        let size = u32::try_from(kernel.len()).unwrap().to_le_bytes();
        for &how in Compression::ALL {
            let packed = how.compress(&kernel).unwrap();
            let sized = [&packed, &size[..]].concat();
            for image in [
                bzimage(&packed),
                bzimage(&sized),
                zboot(&packed),
                [&[1; 5000], &packed[..]].concat(),
            ] {
                assert_eq!(config(&image).unwrap(), TEXT, "{how}");
            }
        }
        let packed = Compression::Zstd.compress(&kernel).unwrap();
        assert_eq!(bootable(&zboot(&packed)).unwrap(), Some(kernel.clone()));
        assert_eq!(bootable(&bzimage(&packed)).unwrap(), None);
        let image = bzimage(&[&lzma(&kernel), &size[..]].concat());
        assert_eq!(config(&image).unwrap(), TEXT);
    }

    #[test]
    fn pieces_in_front_of_the_kernel_are_passed_over() {
        let gzip = Compression::Gzip.compress(&[b'x'; 500]).unwrap();
        let piece = [MARK, &gzip[..gzip.len() - 9], &[0; 40]].concat();
        let packed = Compression::Zstd.compress(&kernel()).unwrap();
        let mut image = bzimage(&packed);
        image[0x300..0x300 + piece.len()].copy_from_slice(&piece);
        assert_eq!(config(&image).unwrap(), TEXT);
        let board = [&piece[..], &packed].concat();
        assert_eq!(config(&board).unwrap(), TEXT);
    }

    #[test]
    fn an_image_says_its_release() {
        let kernel = b"text\nLinux version 7.2.13-x (a@b) (gcc)";
        let packed = Compression::Gzip.compress(kernel).unwrap();
        let mut header = bzimage(&[0; 700]);
        header[0x20e..0x210].copy_from_slice(&0x300_u16.to_le_bytes());
        header[0x500..0x50f].copy_from_slice(b"7.2.13-x (a@b)\0");
        for image in [&header, &zboot(&packed), &packed, &kernel.to_vec()] {
            assert_eq!(release(image).as_deref(), Some("7.2.13-x"));
        }
        assert_eq!(release(b"no image"), None);
        let mut beyond = bzimage(b"");
        beyond[0x20e..0x210].copy_from_slice(&[0xff; 2]);
        assert_eq!(release(&beyond), None);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let said = |image: &[u8]| config(image).unwrap_err().to_string();
        let empty = Compression::Zstd.compress(b"no kernel").unwrap();
        assert!(said(&bzimage(&empty)).contains("CONFIG_IKCONFIG is off"));
        let bzip2 = bzimage(b"BZh9and so on");
        assert!(said(&bzip2).contains("bzip2, which is not read"));
        assert!(said(b"no image").contains("no configuration found"));
    }

    proptest! {
        #[test]
        fn no_image_panics(
            head in 0..3_usize,
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let image = match head {
                0 => bytes,
                1 => bzimage(&bytes),
                _ => zboot(&bytes),
            };
            let (_any, _release) = (config(&image), release(&image));
        }
    }
}
