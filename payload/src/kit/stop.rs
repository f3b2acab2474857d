//! Why a worker ends by itself.

use rustix::io::Errno;

/// Why a worker ended before it was asked to. Two registers hold it, and what
/// returns it or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// An `errno`, or one of those below.
    why: i32,
    text: ThinStr,
}

/// What kind of [`Stop`] it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It could not be meaningful, for this reason: `NO_ECHO`.
    Skip,
    /// The kernel gave a wrong answer.
    Fail,
    /// A call that must work did not, with this error; the text names it.
    Broken(Errno),
}

impl Stop {
    const SKIP: i32 = 0;
    const FAIL: i32 = -1;

    /// It could not be meaningful, for this reason: `NO_ECHO`.
    #[must_use]
    pub const fn skip(text: ThinStr) -> Self {
        let why = Self::SKIP;
        Self { why, text }
    }

    /// The kernel gave a wrong answer.
    #[must_use]
    pub const fn fail(text: ThinStr) -> Self {
        let why = Self::FAIL;
        Self { why, text }
    }

    /// This call, which must work, did not.
    #[must_use]
    pub const fn broken(call: ThinStr, errno: Errno) -> Self {
        let why = errno.raw_os_error();
        Self { why, text: call }
    }

    /// What kind it is.
    #[must_use]
    pub fn why(&self) -> Why {
        match self.why {
            Self::SKIP => Why::Skip,
            Self::FAIL => Why::Fail,
            errno => Why::Broken(Errno::from_raw_os_error(errno)),
        }
    }

    /// The reason, or the call.
    #[must_use]
    pub fn text(&self) -> ThinStr {
        self.text
    }
}

/// A text of the size of one word.
pub type ThinStr = &'static &'static str;

/// Names the call that failed.
pub trait CallExt<T> {
    /// Turns an `Errno` into [`Stop::broken`] of `call`.
    ///
    /// # Errors
    ///
    /// The same failure, with its name.
    fn call(self, call: ThinStr) -> Result<T, Stop>;
}

impl<T> CallExt<T> for Result<T, Errno> {
    fn call(self, call: ThinStr) -> Result<T, Stop> {
        self.map_err(|errno| Stop::broken(call, errno))
    }
}
