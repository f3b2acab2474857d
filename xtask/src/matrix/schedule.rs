//! In which order boots are made, and how many at once; no I/O.
//!
//! The first boots of all cells come before the second ones, so that whatever
//! the host does over time is not taken for a difference between cells. Within
//! a round, the first that fits the free cores begins. A round begins when all
//! boots of the one before have begun.

use std::collections::VecDeque;

/// How many boots at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// As many as keep so many cores busy. A machine that asks for more has
    /// them all, alone.
    Cores(usize),
    /// So many, however large they are.
    Jobs(usize),
}

/// A boot that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Which boot of its cell, from 1.
    pub boot: u64,
    /// The number of the cell.
    pub cell: usize,
    /// Cores that it keeps busy.
    pub cores: usize,
    /// The number of the pool of runners that boots it; none boots here.
    pub pool: Option<usize>,
}

/// Boots that are waiting and the room there is.
#[derive(Debug, Clone)]
pub struct Schedule {
    width: Width,
    /// How many places each pool has.
    pools: Vec<usize>,
    waiting: VecDeque<Due>,
    running: Vec<Due>,
}

impl Schedule {
    /// Of these boots, in any order.
    #[must_use]
    pub fn new(width: Width, pools: Vec<usize>, mut boots: Vec<Due>) -> Self {
        boots.sort();
        Self {
            width,
            pools,
            waiting: boots.into(),
            running: Vec::new(),
        }
    }

    /// A boot to begin now, if there is one and room for it.
    pub fn begin(&mut self) -> Option<Due> {
        let round = self.waiting.front()?.boot;
        let of_round = self.waiting.iter().take_while(|due| due.boot == round);
        let at = of_round.enumerate().find(|(_, due)| self.fits(due))?.0;
        let due = self.waiting.remove(at)?;
        self.running.push(due);
        Some(due)
    }

    /// A boot has ended.
    pub fn end(&mut self, due: Due) {
        self.running.retain(|running| *running != due);
    }

    /// How many have not begun.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn fits(&self, due: &Due) -> bool {
        let busy: usize = self.running.iter().map(|due| due.cores).sum();
        if let Some(pool) = due.pool {
            let taken = self.running.iter().filter(|it| it.pool == due.pool);
            let places = self.pools.get(pool).copied();
            if taken.count() >= places.unwrap_or_default() {
                return false;
            }
        }
        match self.width {
            // The host has nothing to do with it.
            Width::Cores(_) if due.pool.is_some() => true,
            Width::Jobs(jobs) => self.running.len() < jobs,
            Width::Cores(cores) => busy == 0 || busy + due.cores <= cores,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Schedule, Width};

    fn due(cell: usize, boot: u64, cores: usize) -> Due {
        Due {
            boot,
            cell,
            cores,
            pool: None,
        }
    }

    /// Boots that take so many ticks of a clock of ours: when each begins,
    /// with its cell and number.
    fn carried_out(
        width: Width,
        boots: &[Due],
        ticks: impl Fn(&Due) -> u64,
    ) -> Vec<(u64, usize, u64)> {
        let mut schedule = Schedule::new(width, vec![2, 1], boots.to_vec());
        let mut running: Vec<(u64, Due)> = Vec::new();
        let (mut now, mut begun) = (0, Vec::new());
        loop {
            while let Some(due) = schedule.begin() {
                running.push((now + ticks(&due), due));
                begun.push((now, due.cell, due.boot));
            }
            running.sort();
            if running.is_empty() {
                assert_eq!(schedule.waiting(), 0, "nothing runs, some wait");
                return begun;
            }
            let (end, due) = running.remove(0);
            now = end;
            schedule.end(due);
        }
    }

    #[test]
    fn as_many_at_once_as_there_are_cores() {
        let boots = [due(0, 1, 1), due(1, 1, 1), due(2, 1, 2), due(3, 1, 1)];
        // The third needs both, and lets the fourth pass while it waits.
        let begun = carried_out(Width::Cores(2), &boots, |due| {
            [10, 20, 5, 3][due.cell]
        });
        let times = [(0, 0, 1), (0, 1, 1), (10, 3, 1), (20, 2, 1)];
        assert_eq!(begun, times);
        let all = carried_out(Width::Cores(5), &boots, |_| 1);
        assert!(all.iter().all(|(when, ..)| *when == 0), "{all:?}");
    }

    #[test]
    fn rounds_are_not_mixed() {
        let boots = [due(0, 2, 1), due(0, 1, 1), due(1, 1, 2), due(1, 2, 2)];
        let begun = carried_out(Width::Cores(2), &boots, |_| 1);
        let order: Vec<_> = begun.iter().map(|b| (b.1, b.2)).collect();
        assert_eq!(order, [(0, 1), (1, 1), (0, 2), (1, 2)]);
    }

    #[test]
    fn one_that_is_wider_than_the_host_is_alone() {
        let boots = [due(0, 1, 1), due(1, 1, 16), due(2, 1, 1)];
        let begun = carried_out(Width::Cores(2), &boots, |_| 7);
        assert_eq!(begun, [(0, 0, 1), (0, 2, 1), (7, 1, 1)]);
        let one = carried_out(Width::Cores(2), &boots[1..2], |_| 7);
        assert_eq!(one, [(0, 1, 1)]);
    }

    #[test]
    fn runners_have_places_and_no_cores() {
        let of = |cell, pool, boot| Due {
            pool: Some(pool),
            ..due(cell, boot, 0)
        };
        // Three for two places, two for one, and one that fills the host.
        let boots = [
            due(0, 1, 16),
            of(1, 0, 1),
            of(2, 0, 1),
            of(3, 0, 1),
            of(4, 1, 1),
            of(5, 1, 1),
        ];
        let begun = carried_out(Width::Cores(2), &boots, |_| 5);
        let cells: Vec<_> = begun.iter().map(|b| (b.0, b.1)).collect();
        let first = [(0, 0), (0, 1), (0, 2), (0, 4)];
        assert_eq!(cells, [&first[..], &[(5, 3), (5, 5)]].concat());
        let one = carried_out(Width::Jobs(1), &boots[1..3], |_| 2);
        assert_eq!(one, [(0, 1, 1), (2, 2, 1)]);
    }

    #[test]
    fn jobs_overrule_cores() {
        let boots = [due(0, 1, 16), due(1, 1, 16), due(2, 1, 1)];
        let begun = carried_out(Width::Jobs(2), &boots, |due| {
            u64::from(due.cell == 0) * 5 + 1
        });
        assert_eq!(begun, [(0, 0, 1), (0, 1, 1), (1, 2, 1)]);
        let one = carried_out(Width::Jobs(1), &boots, |_| 2);
        assert_eq!(one, [(0, 0, 1), (2, 1, 1), (4, 2, 1)]);
    }
}
