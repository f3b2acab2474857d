//! Whether a configuration became what the fragments ask for.

use super::DEFAULT;
use crate::kconfig::lang::Kconfig;
use crate::kconfig::{self, Config, Request};
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// The fragment that no kernel of ours can do without.
const BASE: &str = "base";

/// Sees to it that all of `requests` are met, or need not be.
///
/// # Errors
///
/// Those that are not, what stands against each of them, and which of the
/// fragments `names` the tree can have.
pub(super) fn all_met(
    requests: &[Request],
    names: &[String],
    config: &Config,
    kconfig: &Kconfig,
) -> Result<()> {
    let mut unmet = kconfig::unmet(requests, config);
    unmet.retain(|r| !r.optional || kconfig.knows(&r.symbol));
    if unmet.is_empty() {
        return Ok(());
    }
    let all: Vec<&Request> = requests.iter().collect();
    bail!(
        "{} of {} symbols cannot be had{}{}",
        kconfig::count(&unmet),
        kconfig::count(&all),
        kconfig::complaint(&unmet, config, kconfig),
        hint(&unmet, names, config, kconfig)
    )
}

/// What to do about symbols that the tree does not know.
fn hint(
    unmet: &[&Request],
    names: &[String],
    config: &Config,
    kconfig: &Kconfig,
) -> String {
    let unknown = unmet.iter().filter(|r| !kconfig.knows(&r.symbol));
    let of: BTreeSet<&str> = unknown
        .map(|r| r.fragment.as_str())
        .filter(|name| *name == BASE || DEFAULT.contains(name))
        .collect();
    if of.is_empty() {
        return String::new();
    }
    let (without, left): (Vec<&str>, Vec<&str>) = names
        .iter()
        .map(String::as_str)
        .partition(|name| *name != BASE && of.contains(name));
    let version = config.kernel.as_deref().unwrap_or("of this tree");
    let of: Vec<&str> = of.into_iter().collect();
    let known = format!(
        "\nLinux {version} has other names than {} knows, or lacks what it \
         asks for",
        of.join(", ")
    );
    match without.is_empty() {
        true => known,
        false => format!(
            "{known}; without {}, the fragments are --fragment {}",
            without.join(", "),
            left.join(" --fragment ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::all_met;
    use crate::arch::{self, Arch, X86_64};
    use crate::kconfig::lang::Kconfig;
    use crate::kconfig::{Config, Request};
    use crate::kernel_build::{DEFAULT, OTHERS, requests};

    /// A tree as it was before the preemption models changed, one with both
    /// names, and one with the later ones.
    const OLD: &str = "
config PROC_SYSCTL
    bool \"Sysctl\"
    select SYSCTL
config SYSCTL
    bool
choice
    prompt \"Model\"
config PREEMPT_VOLUNTARY
    bool \"Voluntary\"
endchoice
";
    const BETWEEN: &str = "
config PROC_SYSCTL
    bool \"Sysctl\"
    select SYSCTL
config SYSCTL
    bool
config ARCH_HAS_PREEMPT_LAZY
    bool
choice
    prompt \"Model\"
config PREEMPT_VOLUNTARY
    bool \"Voluntary\"
config PREEMPT_LAZY
    bool \"Lazy\"
    depends on ARCH_HAS_PREEMPT_LAZY
endchoice
";
    const NEW: &str = "
config SYSCTL
    bool \"Sysctl\"
config ARCH_HAS_PREEMPT_LAZY
    bool
choice
    prompt \"Model\"
config PREEMPT_VOLUNTARY
    bool \"Voluntary\"
    depends on !ARCH_HAS_PREEMPT_LAZY
config PREEMPT_LAZY
    bool \"Lazy\"
    depends on ARCH_HAS_PREEMPT_LAZY
endchoice
";

    fn kconfig(text: &str) -> Kconfig {
        let mut read =
            |path: &str| (path == "Kconfig").then(|| text.to_owned());
        Kconfig::parse(&mut read, "x86")
    }

    /// What the base fragment asks for that these trees differ in.
    fn base(arch: &Arch) -> Vec<Request> {
        let mut all = requests(&["base".to_owned()], arch).unwrap();
        all.retain(|r| {
            r.symbol.ends_with("SYSCTL")
                || matches!(&*r.symbol, "PREEMPT_VOLUNTARY" | "PREEMPT_LAZY")
        });
        all
    }

    fn said(tree: &str, config: &str, requests: &[Request]) -> String {
        let names = DEFAULT.map(str::to_owned);
        let config = Config::parse(config);
        let met = all_met(requests, &names, &config, &kconfig(tree));
        met.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn base_is_met_by_old_trees_and_new_ones() {
        let lazy = "CONFIG_ARCH_HAS_PREEMPT_LAZY=y\nCONFIG_PREEMPT_LAZY=y\n";
        for arch in arch::ALL {
            let base = base(arch);
            assert_eq!(base.len(), 4, "{base:?}");
            for (tree, config) in [
                (OLD, "CONFIG_PROC_SYSCTL=y\nCONFIG_PREEMPT_VOLUNTARY=y\n"),
                (
                    BETWEEN,
                    "CONFIG_PROC_SYSCTL=y\nCONFIG_PREEMPT_VOLUNTARY=y\n",
                ),
                (BETWEEN, &format!("CONFIG_PROC_SYSCTL=y\n{lazy}")),
                (NEW, &format!("CONFIG_SYSCTL=y\n{lazy}")),
            ] {
                assert_eq!(said(tree, config, &base), "", "{config}{tree}");
            }
        }
    }

    #[test]
    fn none_of_several_alternatives_is_explained() {
        let config = "# Linux/x86 7.2.13 Kernel Configuration\n\
                      CONFIG_ARCH_HAS_PREEMPT_LAZY=y\n";
        assert_eq!(
            said(NEW, config, &base(&X86_64)),
            "2 of 2 symbols cannot be had\n\
             CONFIG_PREEMPT_LAZY=y of base cannot be had: it is n\n  \
             all it depends on is set; such a value is not allowed for it\n\
             nor CONFIG_PREEMPT_VOLUNTARY=y of base: it is n\n  \
             it needs `!ARCH_HAS_PREEMPT_LAZY`: ARCH_HAS_PREEMPT_LAZY is y\n\
             CONFIG_PROC_SYSCTL=y of base cannot be had: it is n\n  \
             this tree has no symbol PROC_SYSCTL\n\
             nor CONFIG_SYSCTL=y of base: it is n\n  \
             all it depends on is set; such a value is not allowed for it\n\
             Linux 7.2.13 has other names than base knows, or lacks what it \
             asks for"
        );
    }

    #[test]
    fn a_fragment_that_a_tree_lacks_is_left_out_by_name() {
        let names = ["base".to_owned(), "sched-ext".to_owned()];
        let all = requests(&names, &X86_64).unwrap();
        let ext = all.into_iter().filter(|r| r.symbol == "SCHED_CLASS_EXT");
        let ext: Vec<_> = ext.collect();
        let said = said(OLD, "", &ext);
        let hint = "\nLinux of this tree has other names than sched-ext \
                    knows, or lacks what it asks for; without sched-ext, \
                    the fragments are --fragment base --fragment numa ";
        assert!(said.contains(hint), "{said}");
    }

    /// Whoever chooses another model drops all that base names.
    #[test]
    fn other_models_leave_nothing_of_the_one_of_base() {
        for arch in arch::ALL {
            for other in OTHERS {
                let names = ["base", other].map(str::to_owned);
                let all = requests(&names, arch).unwrap();
                let of = |symbol: &str| {
                    let found = all.iter().find(|r| r.symbol == symbol);
                    found.map(|r| r.value.as_str())
                };
                let models = ["PREEMPT_VOLUNTARY", "PREEMPT_LAZY"].map(&of);
                let chosen = ["PREEMPT", "PREEMPT_RT"].map(of);
                match chosen.contains(&Some("y")) {
                    true => assert!(!models.contains(&Some("y")), "{other}"),
                    false => assert_eq!(models, [Some("y"); 2], "{other}"),
                }
            }
        }
    }
}
