//! The functions that a patch changes.

use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// What a patch changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Functions with a line that came or went.
    pub functions: BTreeSet<String>,
    /// Files that have lines of the kind outside of any function that could be
    /// found.
    pub elsewhere: BTreeSet<String>,
}

/// What a unified diff changes. A function is known by the line that it begins
/// with, before or in a hunk: at the margin in C, and as the kernel's macros
/// have it in assembly (`SYM_FUNC_START`). Files of other kinds have none.
///
/// # Errors
///
/// A hunk is not as long as it says.
pub fn changes(diff: &str) -> Result<Changes> {
    let mut changes = Changes::default();
    let (mut file, mut language) = ("", Language::Other);
    let mut function: Option<String> = None;
    // Lines that are left of a hunk, of the old file and of the new one.
    let mut left = [0_u64; 2];
    let mut old = None;
    for (at, line) in diff.lines().enumerate() {
        if left == [0, 0] {
            if let Some(name) = line.strip_prefix("--- ") {
                old = named(name);
            } else if let Some(name) = line.strip_prefix("+++ ") {
                // What is removed has no new name.
                file = named(name).or(old).unwrap_or_default();
                language = Language::of(file);
            } else if let Some((lines, context)) = hunk(line) {
                left = lines;
                function = language.begins(context);
            }
            continue;
        }
        let (mark, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        let used = match mark {
            "\\" => continue,
            "-" => Some([1, 0]),
            "+" => Some([0, 1]),
            " " => Some([1, 1]),
            _ => None,
        };
        let rest = used.and_then(|[old, new]| {
            Some([left[0].checked_sub(old)?, left[1].checked_sub(new)?])
        });
        let Some(rest) = rest else {
            bail!(
                "line {}, `{}`, is in the middle of a hunk, which is shorter \
                 than its `@@` line says: the patch is damaged",
                at + 1,
                crate::untrusted::line(line)
            );
        };
        left = rest;
        if let Some(name) = language.begins(text) {
            function = Some(name);
        }
        if mark == "-" || mark == "+" {
            match &function {
                _ if text.trim().is_empty() => {}
                Some(name) => {
                    changes.functions.insert(name.clone());
                }
                None => {
                    changes.elsewhere.insert(file.to_owned());
                }
            }
        }
        if language.ends(text) {
            function = None;
        }
    }
    if left != [0, 0] {
        bail!("the last hunk is shorter than its `@@` line says");
    }
    Ok(changes)
}

/// The file of a `---` or `+++` line.
fn named(text: &str) -> Option<&str> {
    let name = text.split('\t').next().unwrap_or(text).trim_end();
    // `a/` and `b/`, or what `diff.mnemonicPrefix` has in their place.
    let name = match name.split_once('/') {
        Some((side, rest)) if side.len() == 1 => rest,
        _ => name,
    };
    (name != "/dev/null").then_some(name)
}

/// What a file is written in, as far as functions are found in it.
#[derive(Debug, Clone, Copy)]
enum Language {
    C,
    Assembly,
    Other,
}

impl Language {
    fn of(name: &str) -> Self {
        match name.rsplit_once('.') {
            Some((_, "c" | "h")) => Self::C,
            Some((_, "S")) => Self::Assembly,
            _ => Self::Other,
        }
    }

    /// The function that begins with this line.
    fn begins(self, line: &str) -> Option<String> {
        match self {
            Self::C => begins(line),
            Self::Assembly => {
                let (mark, rest) = line.split_once('(')?;
                let begins = mark.starts_with("SYM_")
                    && mark.contains("_START")
                    && !mark.contains("DATA");
                let name = rest.split([',', ')']).next()?.trim();
                begins.then(|| name.to_owned())
            }
            Self::Other => None,
        }
    }

    /// Whether a function ends with this line; what follows is outside.
    fn ends(self, line: &str) -> bool {
        match self {
            Self::C => line == "}",
            Self::Assembly => line.starts_with("SYM_") && line.contains("_END"),
            Self::Other => false,
        }
    }
}

/// How many lines a hunk has of both files, and what stands behind.
fn hunk(line: &str) -> Option<([u64; 2], &str)> {
    let (ranges, context) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (from, to) = ranges.split_once(" +")?;
    let count = |range: &str| match range.split_once(',') {
        Some((_, count)) => count.parse().ok(),
        None => Some(1),
    };
    Some(([count(from)?, count(to)?], context.trim_start()))
}

/// The function of C that begins with this line.
fn begins(line: &str) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // Labels, declarations and what a preprocessor reads begin at the margin,
    // too.
    if !line.starts_with(is_word) || line.trim_end().ends_with(';') {
        return None;
    }
    let (head, rest) = line.split_once('(')?;
    if !head.chars().all(|c| is_word(c) || " \t*".contains(c)) {
        return None;
    }
    let name = head.split(|c| !is_word(c)).rfind(|word| !word.is_empty())?;
    if name.contains("SYSCALL_DEFINE") {
        let call = rest.split([',', ')']).next()?.trim();
        return Some(format!("__do_sys_{call}"));
    }
    // Other macros make what their own names do not say.
    let words = ["if", "for", "while", "switch", "return", "sizeof", "else"];
    let is_macro = !name.contains(|c: char| c.is_ascii_lowercase());
    (!words.contains(&name) && !is_macro).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::changes;
    use proptest::prelude::proptest;

    const PATCH: &str = "\
From 1234 Mon Sep 17 00:00:00 2001
Subject: [PATCH] sched: x

diff --git a/kernel/sched/fair.c b/kernel/sched/fair.c
--- a/kernel/sched/fair.c
+++ b/kernel/sched/fair.c
@@ -10,6 +10,7 @@ static void update_curr(struct cfs_rq *cfs_rq)
 \tu64 now;

 \tif (!curr)
+\t\tpr_info(\"x\");
 \t\treturn;
 \t}
 }
@@ -100,9 +101,9 @@ int other(void)
 \treturn 0;
 }

-static struct task_struct *pick_task_fair(struct rq *rq)
+static struct task_struct *pick_task_fair(struct rq *rq, int x)
 {
 \tint a;
 }

-#define OLD 1
+#define NEW 1
@@ -200,3 +201,3 @@ SYSCALL_DEFINE0(sched_yield)
 \tdo_sched_yield();
-\treturn 0;
+\treturn 1;
 }
diff --git a/README b/README
--- a/README
+++ b/README
@@ -1 +1 @@ int not_of_c(void)
-a
+b
diff --git i/arch/x86/entry/entry_64.S w/arch/x86/entry/entry_64.S
--- i/arch/x86/entry/entry_64.S
+++ w/arch/x86/entry/entry_64.S
@@ -170,5 +170,6 @@ SYM_CODE_START(entry_SYSCALL_64)
 \tsysretq
+\tnop
 SYM_CODE_END(entry_SYSCALL_64)
-/* a */
+/* b */
 SYM_FUNC_START_LOCAL(__switch_to_asm)
-\tpushq\t%rbp
+\tpushq\t%rbx
@@ -300,2 +301,1 @@ SYM_DATA_START(table)
 \t.quad 1
-\t.quad 2
";

    #[test]
    fn functions_are_found_in_hunks_and_before_them() {
        let changes = changes(PATCH).unwrap();
        let found: Vec<&str> =
            changes.functions.iter().map(String::as_str).collect();
        let expected = [
            "__do_sys_sched_yield",
            "__switch_to_asm",
            "entry_SYSCALL_64",
            "pick_task_fair",
            "update_curr",
        ];
        assert_eq!(found, expected);
        let elsewhere: Vec<_> = changes.elsewhere.iter().collect();
        let expected =
            ["README", "arch/x86/entry/entry_64.S", "kernel/sched/fair.c"];
        assert_eq!(elsewhere, expected);
    }

    #[test]
    fn lines_that_look_like_headers_are_lines() {
        let patch = "--- a/x.c\n+++ b/x.c\n@@ -1,3 +1,2 @@ int f(int a)\n \
                     \tb();\n--- a/y.c\n \tc();\n";
        let changes = changes(patch).unwrap();
        assert_eq!(changes.functions.iter().collect::<Vec<_>>(), ["f"]);
    }

    #[test]
    fn a_patch_that_was_cut_is_named() {
        let cut = PATCH.replacen(" \tdo_sched_yield();\n", "", 1);
        let error = changes(&cut).unwrap_err().to_string();
        let line = "line 31, `diff --git a/README b/README`, is in the";
        assert!(error.starts_with(line), "{error}");
        let cut = PATCH.len() - "-\t.quad 2\n".len();
        let error = changes(&PATCH[..cut]).unwrap_err().to_string();
        assert!(error.contains("the last hunk is shorter"), "{error}");
    }

    proptest! {
        #[test]
        fn anything_is_read(
            text in "(@@ -1,[0-9]* \\+1 @@ |[-+ ]|\n|\\PC){0,60}",
        ) {
            let _changes = changes(&text);
        }
    }
}
