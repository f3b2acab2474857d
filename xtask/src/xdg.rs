//! Where a user's files go: the XDG base directories.

use std::path::PathBuf;

/// The directory that `variable` names, or else this one of the user's home;
/// none if neither is known. A value that does not begin at the root is none,
/// as the specification has it.
#[must_use]
pub fn dir(variable: &str, of_home: &str) -> Option<PathBuf> {
    choose(
        &|name| std::env::var_os(name).map(PathBuf::from),
        variable,
        of_home,
    )
}

fn choose(
    get: &dyn Fn(&str) -> Option<PathBuf>,
    variable: &str,
    of_home: &str,
) -> Option<PathBuf> {
    let absolute = |name| get(name).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(of_home)))
}

#[cfg(test)]
mod tests {
    use super::choose;
    use std::path::PathBuf;

    #[test]
    fn only_whole_paths_are_directories() {
        for (own, home, found) in [
            (Some("/data"), Some("/home/me"), Some("/data")),
            (Some("data"), Some("/home/me"), Some("/home/me/.local/x")),
            (Some(""), Some("/home/me"), Some("/home/me/.local/x")),
            (None, Some("/home/me"), Some("/home/me/.local/x")),
            (None, Some(""), None),
            (None, None, None),
        ] {
            let get = |name: &str| {
                let value = if name == "HOME" { home } else { own };
                value.map(PathBuf::from)
            };
            let dir = choose(&get, "XDG_DATA_HOME", ".local/x");
            assert_eq!(dir, found.map(PathBuf::from), "{own:?} {home:?}");
        }
    }
}
