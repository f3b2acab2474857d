//! Sizes on the command line.

/// `512`, `512M` or `2G` in MiB.
///
/// # Errors
///
/// What would be valid.
pub fn mebibytes(text: &str) -> Result<u32, String> {
    let (number, scale) = match text.strip_suffix(['G', 'g']) {
        Some(number) => (number, 1024),
        None => (text.strip_suffix(['M', 'm']).unwrap_or(text), 1),
    };
    let mib = number
        .parse::<u32>()
        .ok()
        .and_then(|n| n.checked_mul(scale));
    mib.filter(|&mib| mib > 0).ok_or_else(|| {
        format!("`{text}` is no size; valid are 512, 512M or 2G")
    })
}

#[cfg(test)]
mod tests {
    use super::mebibytes;

    #[test]
    fn sizes_of_memory() {
        for (text, mib) in [("512", 512), ("512M", 512), ("2G", 2048)] {
            assert_eq!(mebibytes(text), Ok(mib), "{text}");
        }
        for bad in ["", "0", "2T", "G", "-1", "5000000G"] {
            assert!(mebibytes(bad).is_err(), "{bad}");
        }
    }
}
