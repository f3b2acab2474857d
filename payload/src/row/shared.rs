//! What the workers of one instance share, as numbers.

/// Memory and descriptors one instance shares, made before the first clone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shared {
    /// Futex words, one cache line each.
    pub words: u32,
    /// Stamp slots (W1, W3), one cache line each.
    pub stamps: u32,
    /// Rings of generations and stamps (W2).
    pub rings: u32,
    /// Guarded counters; a metric of `How::Gauge` reports them.
    pub gauges: u32,
    /// Plain 64-bit cells, packed.
    pub cells: u32,
    /// Places for figures that get their names in the run; those of one
    /// name are added up over the group.
    pub named: u32,
    /// Places for open files, which the type's `create` fills.
    pub files: u32,
    /// A ring of pipes: position `p` reads pipe `p` and writes the pipe of
    /// the position after it.
    pub pipes: bool,
}

impl Shared {
    /// Nothing.
    pub const NONE: Self = Self {
        words: 0,
        stamps: 0,
        rings: 0,
        gauges: 0,
        cells: 0,
        named: 0,
        files: 0,
        pipes: false,
    };
}
