//! The valid name that a misspelt one was meant to be.

/// Longest name that is compared.
const MAX: usize = 32;

/// The one of `names` that differs from `name` in case only, or else the one
/// with the fewest changes of single letters, if those are at most a third
/// of it.
#[must_use]
pub fn of(
    name: &str,
    names: impl Iterator<Item = &'static str> + Clone,
) -> Option<&'static str> {
    let mut same_letters = names.clone();
    if let Some(same) = same_letters.find(|n| n.eq_ignore_ascii_case(name)) {
        return Some(same);
    }
    let most = name.len().max(3) / 3;
    names
        .filter_map(|n| Some((distance(name, n)?, n)))
        .filter(|&(changes, _)| changes <= most)
        .min_by_key(|&(changes, _)| changes)
        .map(|(_, n)| n)
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
        let names = ["PipeIo", "FutexPingPong", "SpinWait"].into_iter();
        assert_eq!(of("FutexPingpong", names.clone()), Some("FutexPingPong"));
        assert_eq!(of("SpinWiat", names.clone()), Some("SpinWait"));
        assert_eq!(of("Taobench", names), None);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), Some(3));
        assert_eq!(distance("", "abc"), Some(3));
    }
}
