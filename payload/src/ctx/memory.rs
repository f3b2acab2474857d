//! Work in memory of a worker's own.

use super::Ctx;
use super::spin::CHECKPOINT_STEPS;
use crate::kit::clock::now;
use crate::kit::memory::Region;
use crate::kit::stop::Stop;
use core::mem::ManuallyDrop;
use pidone_compute::bytes::Walk;

impl Ctx<'_> {
    /// So many KiB of this worker's own, every page of them in place; the
    /// report says on which nodes they are.
    ///
    /// # Errors
    ///
    /// `mmap` failed.
    pub fn memory_kib(
        &mut self,
        kib: u64,
    ) -> Result<ManuallyDrop<Region>, Stop> {
        let region = self.memory(usize::try_from(kib * 1024).unwrap_or(0))?;
        region.populate();
        Ok(region)
    }

    /// `n` increments of bytes of `region`, one every `stride`, going on
    /// where `walk` stands; one work unit each. Ends early at the stop.
    pub fn rmw(
        &mut self,
        walk: &mut Walk,
        region: &Region,
        stride: u64,
        n: u64,
    ) {
        let stride = usize::try_from(stride).unwrap_or(usize::MAX);
        self.in_pieces(n, |piece| walk.rmw(region.bytes(), stride, piece));
    }

    /// `n` work units, done by `work` in pieces of at most 1024 with a
    /// checkpoint between two of them. Ends early at the stop.
    pub fn in_pieces(&mut self, n: u64, mut work: impl FnMut(u64)) {
        let mut left = n;
        while left > CHECKPOINT_STEPS && !self.stop() {
            work(CHECKPOINT_STEPS);
            left -= CHECKPOINT_STEPS;
            self.units(CHECKPOINT_STEPS);
            self.checkpoint_at(now());
        }
        if left <= CHECKPOINT_STEPS {
            work(left);
            self.units(left);
        }
    }
}
