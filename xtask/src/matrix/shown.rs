//! Boots of a schedule on a board, which says how many are left.

use super::schedule::Due;
use super::work::Observer;
use crate::live::{Board, Screen};

/// Shows what is under way; `N` names a boot.
pub struct Shown<N> {
    board: Board,
    name: N,
    all: usize,
    begun: usize,
}

impl<N> core::fmt::Debug for Shown<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { all, begun, .. } = self;
        f.debug_struct("Shown")
            .field("all", all)
            .field("begun", begun)
            .finish_non_exhaustive()
    }
}

impl<N: Fn(Due) -> String> Shown<N> {
    /// A board for so many boots.
    pub fn new(all: usize, name: N) -> Self {
        Self {
            board: Board::new(all),
            name,
            all,
            begun: 0,
        }
    }
}

impl<N: Fn(Due) -> String> Observer<Screen> for Shown<N> {
    fn begins(&mut self, due: Due) -> Screen {
        self.begun += 1;
        let screen = self.board.screen(&(self.name)(due));
        if let Screen::Named(_) = screen {
            screen.say(&format!("boot {} of {} begins", self.begun, self.all));
        }
        screen
    }

    fn counts(&mut self, running: usize, waiting: usize) {
        let ended = self.all - running - waiting;
        self.board.count(ended, running, waiting);
    }
}
