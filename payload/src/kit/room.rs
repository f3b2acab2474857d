//! Values whose number is known only when the program runs.

#![expect(unsafe_code, reason = "keeps values in a mapping")]

use crate::kit::shm::Scratch;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::{ptr, slice};

/// A list of at most as many values as were asked for, in a mapping that is
/// filled by the kernel page by page and given back with the list.
#[derive(Debug)]
pub struct Room<T> {
    memory: Scratch,
    most: usize,
    len: usize,
    values: PhantomData<T>,
}

impl<T> Room<T> {
    /// An empty list with room for `most` values. `None` if there is not so
    /// much memory.
    #[must_use]
    pub fn new(most: usize) -> Option<Self> {
        // The kernel maps no empty region.
        let bytes = most.max(1).checked_mul(size_of::<T>())?;
        // A mapping begins at a page.
        const { assert!(align_of::<T>() <= 4096) };
        Some(Self {
            memory: Scratch::new(bytes)?,
            most,
            len: 0,
            values: PhantomData,
        })
    }

    /// Puts a value behind the others; returns it if there is no room.
    ///
    /// # Errors
    ///
    /// The list is full.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        let len = self.len;
        match self.places().get_mut(len) {
            Some(place) => place.write(value),
            None => return Err(value),
        };
        self.len += 1;
        Ok(())
    }

    fn places(&mut self) -> &mut [MaybeUninit<T>] {
        let first = self.memory.bytes().as_mut_ptr().cast();
        // SAFETY: the mapping is aligned for T and has room for so many.
        unsafe { slice::from_raw_parts_mut(first, self.most) }
    }

    /// The values, in order.
    #[must_use]
    pub fn values(&self) -> &[T] {
        let first = self.memory.read().as_ptr().cast::<T>();
        // SAFETY: so many were written, and nobody writes them while self is
        // borrowed.
        unsafe { slice::from_raw_parts(first, self.len) }
    }
}

impl<T> Drop for Room<T> {
    fn drop(&mut self) {
        let first = self.memory.bytes().as_mut_ptr().cast::<T>();
        let values = ptr::slice_from_raw_parts_mut(first, self.len);
        // SAFETY: so many were written, and nothing refers to them any more.
        unsafe { ptr::drop_in_place(values) };
    }
}

#[cfg(test)]
mod tests {
    use super::Room;
    use core::cell::Cell;

    #[test]
    fn it_keeps_as_many_as_were_asked_for() {
        let mut room = Room::new(1000).unwrap();
        for n in 0..1000_u64 {
            room.push((n, "text")).unwrap();
        }
        assert_eq!(room.push((1000, "")), Err((1000, "")));
        let sum: u64 = room.values().iter().map(|(n, _)| n).sum();
        assert_eq!((room.values().len(), sum), (1000, 499_500));
        assert!(Room::<u64>::new(0).unwrap().values().is_empty());
        assert!(Room::<u64>::new(usize::MAX).is_none());
    }

    #[test]
    fn what_it_keeps_is_dropped_once() {
        struct Counts<'c>(&'c Cell<u32>);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let dropped = Cell::new(0);
        let mut room = Room::new(3).unwrap();
        assert!(room.push(Counts(&dropped)).is_ok());
        assert!(room.push(Counts(&dropped)).is_ok());
        assert_eq!(dropped.get(), 0);
        drop(room);
        assert_eq!(dropped.get(), 2);
    }
}
