//! The valid name that a misspelt one was meant to be.

use core::fmt;

/// Longest name that is compared.
const MAX: usize = 32;

/// Hands out valid names, one by one.
pub type Names<'n, 'v> = &'n dyn Fn(&mut dyn FnMut(&'v str));

/// The one of `names` with the fewest changes of single letters, if those
/// are at most a third of it; case does not count.
#[must_use]
pub fn of<'v>(name: &str, names: Names<'_, 'v>) -> Option<&'v str> {
    let mut best = (name.len().max(3) / 3 + 1, None);
    names(&mut |valid| match distance(name, valid) {
        Some(changes) if changes < best.0 => best = (changes, Some(valid)),
        _ => {}
    });
    best.1
}

/// Writes the one of `names` that was meant by `name`, or else all of them.
///
/// # Errors
///
/// What `f` said.
pub fn write(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    names: Names<'_, '_>,
) -> fmt::Result {
    if let Some(near) = of(name, names) {
        return write!(f, "; nearest is `{near}`");
    }
    let mut before = "; valid are ";
    let mut written = Ok(());
    names(&mut |valid| {
        written = written
            .and_then(|()| f.write_str(before))
            .and_then(|()| f.write_str(valid));
        before = ", ";
    });
    written
}

/// Levenshtein distance, regardless of case; `None` for long names.
fn distance(a: &str, b: &str) -> Option<usize> {
    if a.len() > MAX || b.len() > MAX {
        return None;
    }
    let mut row = [0; MAX + 1];
    for (i, cell) in row.iter_mut().enumerate() {
        *cell = i;
    }
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = usize::from(!x.eq_ignore_ascii_case(&y));
            let best = (diagonal + change).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    Some(row[b.len()])
}

#[cfg(test)]
mod tests {
    use super::{distance, of};

    #[test]
    fn misspelt_names_find_their_own() {
        let names = ["PipeIo", "FutexPingPong", "SpinWait"];
        let names = |take: &mut dyn FnMut(_)| names.into_iter().for_each(take);
        assert_eq!(of("FutexPingpong", &names), Some("FutexPingPong"));
        assert_eq!(of("SpinWiat", &names), Some("SpinWait"));
        assert_eq!(of("Taobench", &names), None);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), Some(3));
        assert_eq!(distance("", "abc"), Some(3));
    }
}
