//! Whether a stored run is what a boot would make again.

use super::BootRequest;
use super::ready::Ready;
use crate::exit::Exit;
use crate::store::{self, StoredRun};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Hashes of images, each of which is read once.
#[derive(Debug, Default)]
pub struct Sums(BTreeMap<PathBuf, String>);

impl Sums {
    /// Whether a stored run was asked for by the words that ask for this boot,
    /// of the same kernel and the same image, and did not fail for our own
    /// sake.
    ///
    /// # Errors
    ///
    /// An image cannot be read.
    pub fn is_made(
        &mut self,
        run: &StoredRun,
        ready: &Ready,
        seed: Option<u64>,
    ) -> Result<bool> {
        let meta = &run.meta;
        // Behind the names of the program and of the verb.
        let words = meta.command.iter().skip(2).map(String::as_str);
        let asked = BootRequest::parse("boot", &words.collect::<Vec<_>>());
        let due = ready.seeded(seed).measured();
        let other = |asked: BootRequest| asked.measured() != due;
        if asked.map_or(true, other) || meta.exit_code == Exit::Tool {
            return Ok(false);
        }
        let stored = [&meta.kernel.sha256, &meta.initramfs_sha256];
        for (image, stored) in ready.images().into_iter().zip(stored) {
            if !self.0.contains_key(image) {
                let sum = store::sha256(image)?;
                self.0.insert(image.to_path_buf(), sum);
            }
            if self.0[image] != *stored {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
