//! What apt would change, by what it says in a simulation.

/// Changes to a system.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Packages that would be installed, and their versions.
    pub installed: Vec<(String, String)>,
    /// Packages that would be taken off.
    pub removed: Vec<String>,
    /// Packages of which an older version would be installed.
    pub downgraded: Vec<String>,
}

impl Changes {
    /// Reads what `apt-get --simulate` prints in the C locale.
    #[must_use]
    pub fn read(said: &str) -> Self {
        let mut changes = Self::default();
        let mut downgraded = false;
        for line in said.lines() {
            // A list goes on for as long as its lines are indented.
            if downgraded && line.starts_with("  ") {
                let names = line.split_whitespace().map(str::to_owned);
                changes.downgraded.extend(names);
                continue;
            }
            downgraded = line.ends_with("packages will be DOWNGRADED:");
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("Remv"), Some(name)) => {
                    changes.removed.push(name.to_owned());
                }
                (Some("Inst"), Some(name)) => {
                    // `Inst name [old] (new archive [arch])`
                    let new = words.find_map(|word| word.strip_prefix('('));
                    let new = new.unwrap_or_default().to_owned();
                    changes.installed.push((name.to_owned(), new));
                }
                _ => {}
            }
        }
        changes
    }

    /// What would be lost, in words; nothing, if nothing would.
    #[must_use]
    pub fn loss(&self) -> Option<String> {
        let removed = self.removed.join(", ");
        let downgraded = self.downgraded.join(", ");
        match (&*removed, &*downgraded) {
            ("", "") => None,
            (_, "") => Some(format!("remove {removed}")),
            ("", _) => Some(format!("downgrade {downgraded}")),
            _ => Some(format!("remove {removed} and downgrade {downgraded}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Changes;

    /// Where tools of a newer QEMU had been installed. Recorded with apt
    /// 2.6.1 but for the packages that are not needed any more.
    const REMOVES: &str = include_str!("apt/removes.txt");

    const DOWNGRADES: &str = include_str!("apt/downgrades.txt");

    const UPGRADES: &str = include_str!("apt/upgrades.txt");

    #[test]
    fn what_would_be_lost_is_known_beforehand() {
        let removes = Changes::read(REMOVES);
        assert_eq!(removes.removed, ["qemu-utils"]);
        assert_eq!(removes.loss().unwrap(), "remove qemu-utils");
        let installed = &removes.installed;
        assert_eq!(installed.len(), 3);
        let (name, version) = &installed[2];
        assert_eq!(name, "qemu-system-x86");
        assert_eq!(version, "1:7.2+dfsg-7+deb12u18+b3");
        let downgrades = Changes::read(DOWNGRADES);
        assert_eq!(downgrades.loss().unwrap(), "downgrade qemu-utils");
        let (_, version) = &downgrades.installed[0];
        assert_eq!(version, "1:7.2+dfsg-7+deb12u18+b3");
        let both = Changes::read(&[REMOVES, DOWNGRADES].concat());
        assert_eq!(
            both.loss().unwrap(),
            "remove qemu-utils and downgrade qemu-utils"
        );
        assert_eq!(Changes::read(UPGRADES).loss(), None);
    }
}
