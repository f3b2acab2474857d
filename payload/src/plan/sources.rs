//! Where the words of a plan come from, and which of them have the runs.

use crate::plan::token::{PREFIX, Source};
use crate::workloads::custom::types::Registered;

/// Where a plan may come from, in rising precedence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'t> {
    /// A packed plan file, or a built-in plan.
    pub file: Source<'t>,
    /// Arguments.
    pub args: Source<'t>,
    /// Words of the kernel command line.
    pub kernel: Source<'t>,
    /// Work types beside the built-in ones.
    pub works: Registered,
}

impl<'t> Sources<'t> {
    pub(super) fn rising(&self) -> [Source<'t>; 3] {
        [self.file, self.args, self.kernel]
    }

    /// Which of [`Self::rising`] has the runs.
    fn with_runs(&self) -> usize {
        let has = |source: &Source<'t>, key: &str| {
            source.tokens().any(|token| token.key == key)
        };
        let rising = self.rising();
        match rising.iter().any(|source| has(source, "plan")) {
            true => 0,
            false => rising
                .iter()
                .rposition(|source| has(source, "work"))
                .unwrap_or(0),
        }
    }

    /// All words, those of the source that has the runs first. The others
    /// begin with `pidone.` if they are of the kernel command line, and with
    /// `-- ` if they are arguments, so that what ran can be held against
    /// what was asked for.
    pub fn words(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'t str)> + use<'t> {
        let (rising, runs) = (self.rising(), self.with_runs());
        let rest = (0..rising.len()).filter(move |&at| at != runs);
        core::iter::once(runs).chain(rest).flat_map(move |at| {
            let before = match at {
                at if at == runs => "",
                1 => "-- ",
                _ => PREFIX,
            };
            rising[at].tokens().map(move |token| (before, token.text))
        })
    }

    /// The words that were given, from the kernel command line and as
    /// arguments.
    pub fn given(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let all = self.kernel.tokens().chain(self.args.tokens());
        all.map(|token| token.text)
    }

    /// The plan these sources ask for by name, or `smoke` if they hold no
    /// run at all. The caller loads its text into [`Sources::file`].
    #[must_use]
    pub fn plan_name(&self) -> Option<&'t str> {
        let find = |key: &str| {
            let mut sources = self.rising().into_iter().rev();
            sources.find_map(|s| s.tokens().find(|token| token.key == key))
        };
        match find("plan") {
            Some(token) => token.value,
            None if find("work").is_none() => Some("smoke"),
            None => None,
        }
    }
}
