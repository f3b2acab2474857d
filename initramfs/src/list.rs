//! What an image contains: archives in a row, each compressed or not.

use crate::compress::{Compression, LIMIT};
use crate::newc::{self, Entry};
use anyhow::{Result, bail};

/// A piece of an image that is compressed in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// How it is compressed.
    pub compression: Compression,
    /// Its bytes in the image.
    pub size: usize,
    /// What its archives hold.
    pub entries: Vec<Entry>,
}

/// Reads an image as the kernel does: archives one after another, each
/// compressed or not, with zeros between them.
///
/// # Errors
///
/// What is malformed, and at which byte.
pub fn read(image: &[u8]) -> Result<Vec<Part>> {
    read_within(image, LIMIT)
}

fn read_within(image: &[u8], limit: usize) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let (mut at, mut room) = (0, limit);
    while at < image.len() {
        let part = read_part(&image[at..], &mut room)
            .map_err(|error| error.context(format!("from byte {at} on")))?;
        at += part.size;
        parts.push(part);
    }
    Ok(parts)
}

fn read_part(bytes: &[u8], room: &mut usize) -> Result<Part> {
    let (compression, entries, size) = match Compression::detect(bytes) {
        Some(how) => {
            let (archive, size) = how.decompress_within(bytes, *room)?;
            *room -= archive.len();
            let (entries, used) = newc::read(&archive)?;
            if used < archive.len() {
                bail!("{how}, but no archive in it at byte {used}");
            }
            (how, entries, size)
        }
        None => {
            let (entries, size) = newc::read(bytes)?;
            (Compression::None, entries, size)
        }
    };
    if size == 0 {
        bail!(
            "neither a newc archive nor gzip, zstd, xz or legacy LZ4; \
             others are not read"
        );
    }
    let zeros = bytes[size..].iter().take_while(|&&b| b == 0).count();
    Ok(Part {
        compression,
        size: size + zeros,
        entries,
    })
}

#[cfg(test)]
mod tests {
    use super::{read, read_within};
    use crate::compress::Compression;
    use crate::newc::Archive;
    use proptest::prelude::{any, proptest};

    #[test]
    fn all_parts_together_have_a_limit() {
        let mut archive = Archive::default();
        archive.file("zeros", 0o644, vec![0; 1 << 20]).unwrap();
        let bytes = archive.to_bytes().unwrap();
        let part = Compression::Gzip.compress(&bytes).unwrap();
        let image = part.repeat(3);
        let room = bytes.len() * 3;
        assert_eq!(read_within(&image, room).unwrap().len(), 3);
        let error = read_within(&image, room - 1).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("more than 512 MiB"), "{error}");
    }

    #[test]
    fn parts_of_every_compression_are_listed() {
        let mut image = Vec::new();
        for how in Compression::ALL {
            let mut archive = Archive::default();
            archive.file(how.name(), 0o644, vec![1, 2, 3]).unwrap();
            let bytes = archive.to_bytes().unwrap();
            image.extend(how.compress(&bytes).unwrap());
            image.resize(image.len().next_multiple_of(512), 0);
        }
        let parts = read(&image).unwrap();
        assert_eq!(parts.len(), Compression::ALL.len());
        assert_eq!(parts.iter().map(|p| p.size).sum::<usize>(), image.len());
        for (part, &how) in parts.iter().zip(Compression::ALL) {
            assert_eq!(part.compression, how);
            assert_eq!(part.entries[0].path, how.name());
        }
    }

    #[test]
    fn what_is_no_archive_says_so() {
        let error = |bytes: &[u8]| format!("{:#}", read(bytes).unwrap_err());
        assert!(error(b"BZh9").contains("neither a newc archive"));
        let packed = Compression::Gzip.compress(b"text").unwrap();
        assert!(error(&packed).contains("no archive in it at byte 0"));
        let mut image = Archive::default().to_bytes().unwrap();
        image.push(b'x');
        assert!(error(&image).contains("from byte 512 on"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            magic in 0..5_usize,
        ) {
            let how = Compression::ALL[magic];
            let mut image = how.compress(b"070701").unwrap();
            image.truncate(8);
            image.extend(bytes);
            let _listed = read(&image);
        }
    }
}
