//! The functions that a patch changes.

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

/// What a unified diff changes, of files of C. A function is known by the line
/// that it begins with, at the margin, before or in a hunk.
#[must_use]
pub fn changes(diff: &str) -> Changes {
    let mut changes = Changes::default();
    let mut file: Option<&str> = None;
    let mut function: Option<String> = None;
    // Lines that are left of a hunk, of the old file and of the new one.
    let mut left = [0_u64; 2];
    let mut old = None;
    for line in diff.lines() {
        if left == [0, 0] {
            if let Some(name) = line.strip_prefix("--- ") {
                old = named(name);
            } else if let Some(name) = line.strip_prefix("+++ ") {
                // What is removed has no new name.
                file = named(name).or(old).filter(|name| is_source(name));
            } else if let Some((lines, context)) = hunk(line) {
                left = lines;
                function = begins(context);
            }
            continue;
        }
        let (mark, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        let [from, to] = &mut left;
        match mark {
            "-" => *from = from.saturating_sub(1),
            "+" => *to = to.saturating_sub(1),
            "\\" => continue,
            _ => {
                *from = from.saturating_sub(1);
                *to = to.saturating_sub(1);
            }
        }
        let Some(file) = file else { continue };
        if let Some(name) = begins(text) {
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
        // The end of a function; what follows is outside.
        if text == "}" {
            function = None;
        }
    }
    changes
}

/// The file of a `---` or `+++` line.
fn named(text: &str) -> Option<&str> {
    let name = text.split('\t').next().unwrap_or(text).trim_end();
    let name = name
        .strip_prefix("a/")
        .or_else(|| name.strip_prefix("b/"))
        .unwrap_or(name);
    (name != "/dev/null").then_some(name)
}

fn is_source(name: &str) -> bool {
    [".c", ".h"].iter().any(|end| name.ends_with(end))
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

/// The function that begins with this line.
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
";

    #[test]
    fn functions_are_found_in_hunks_and_before_them() {
        let changes = changes(PATCH);
        let found: Vec<&str> =
            changes.functions.iter().map(String::as_str).collect();
        let expected =
            ["__do_sys_sched_yield", "pick_task_fair", "update_curr"];
        assert_eq!(found, expected);
        let elsewhere: Vec<_> = changes.elsewhere.iter().collect();
        assert_eq!(elsewhere, ["kernel/sched/fair.c"]);
    }

    #[test]
    fn lines_that_look_like_headers_are_lines() {
        let patch = "--- a/x.c\n+++ b/x.c\n@@ -1,3 +1,2 @@ int f(int a)\n \
                     \tb();\n--- a/y.c\n \tc();\n";
        let changes = changes(patch);
        assert_eq!(changes.functions.iter().collect::<Vec<_>>(), ["f"]);
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
