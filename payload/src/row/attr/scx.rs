//! The sched_ext scheduler under which a plan is carried out.

/// What a plan says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scx<'t> {
    /// One of ours.
    BuiltIn(BuiltIn),
    /// A program that loads one, and its arguments: words with spaces
    /// between them.
    Program(&'t str),
}

/// A scheduler that needs no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// It never runs a task, so that the kernel throws it out.
    pub stalls: bool,
    /// Only for tasks with the policy `ext`.
    pub partial: bool,
}

/// A command is shorter than this.
pub const MAX_COMMAND: usize = 1024;

/// What the value of `scx=` looks like.
pub const SCX_RULE: &str = "scx is fifo or stall, with :partial behind it \
     for tasks with policy=ext alone, or the absolute path of a program, in \
     quotes with its arguments, below 1024 bytes";

impl<'t> Scx<'t> {
    /// Parses a value of `scx=`.
    #[must_use]
    pub fn parse(text: &'t str) -> Option<Self> {
        if text.starts_with('/') {
            return (text.len() < MAX_COMMAND).then_some(Self::Program(text));
        }
        let name = text.strip_suffix(":partial");
        let stalls = match name.unwrap_or(text) {
            "fifo" => false,
            "stall" => true,
            _ => return None,
        };
        let partial = name.is_some();
        Some(Self::BuiltIn(BuiltIn { stalls, partial }))
    }

    /// The program, without its arguments.
    #[must_use]
    pub fn program(self) -> Option<&'t str> {
        match self {
            Self::BuiltIn(_) => None,
            Self::Program(command) => command.split_ascii_whitespace().next(),
        }
    }
}

impl BuiltIn {
    /// The name that the kernel knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.stalls {
            false => "pidone_fifo",
            true => "pidone_stall",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BuiltIn, Scx};

    #[test]
    fn values_keep_their_rules() {
        let built_in =
            |stalls, partial| Some(Scx::BuiltIn(BuiltIn { stalls, partial }));
        assert_eq!(Scx::parse("fifo"), built_in(false, false));
        assert_eq!(Scx::parse("stall:partial"), built_in(true, true));
        let command = Scx::parse("/bin/scx -s 5").unwrap();
        assert_eq!(command, Scx::Program("/bin/scx -s 5"));
        assert_eq!(command.program(), Some("/bin/scx"));
        let long = std::format!("/{}", "a ".repeat(600));
        for bad in [&long, "", "fifo:", "fifo:full", ":partial", "scx_simple"] {
            assert_eq!(Scx::parse(bad), None, "{bad}");
        }
    }
}
