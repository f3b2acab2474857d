//! Scripts that make shells complete verbs, options and work types, from what
//! the help of each verb is made of.

use crate::arch;
use crate::program;
use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};
use core::fmt::Write;
use core::str::FromStr;
use pidone::workloads::rows;

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl FromStr for Shell {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = Self::ALL.iter().find(|shell| shell.name() == name);
        named.copied().ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no completions for `{name}`; valid are {names}")
        })
    }
}

impl Shell {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// What it looks for, for a program of this name.
    #[must_use]
    pub fn file(self, program: &str) -> String {
        match self {
            Self::Bash => format!("{program}.bash"),
            Self::Zsh => format!("_{program}"),
            Self::Fish => format!("{program}.fish"),
        }
    }

    /// The script for a program.
    #[must_use]
    pub fn script(self, info: &CommandInfoWithArgs) -> String {
        let script = Script::new(info);
        match self {
            Self::Bash => script.bash(),
            Self::Zsh => script.zsh(),
            Self::Fish => script.fish(),
        }
    }
}

/// The program's name: its structure does not know it.
const PROGRAM: &str = "pidonectl";

/// What follows an option, or is a word by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// One of these.
    Of(Words),
    /// A file; or a word that nobody can know.
    File,
}

/// Words that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Plan,
    Types,
    Arches,
    Shells,
}

impl Words {
    const ALL: [Self; 4] =
        [Self::Plan, Self::Types, Self::Arches, Self::Shells];

    fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Types => "types",
            Self::Arches => "arches",
            Self::Shells => "shells",
        }
    }

    fn list(self) -> String {
        let types = || rows().map(|row| row.name);
        let words: Vec<String> = match self {
            Self::Plan => {
                let plans = ["smoke", "all", "latency"];
                let plans = plans.iter().map(|name| format!("plan={name}"));
                plans
                    .chain(types().map(|it| format!("work={it}")))
                    .collect()
            }
            Self::Types => types().map(str::to_owned).collect(),
            Self::Arches => {
                arch::ALL.iter().map(|arch| arch.name.to_owned()).collect()
            }
            Self::Shells => {
                Shell::ALL.iter().map(|it| it.name().to_owned()).collect()
            }
        };
        words.join(" ")
    }

    /// What is known of an option or a word by its name.
    fn of(name: &str) -> Value {
        match name {
            "--arch" => Value::Of(Self::Arches),
            "plan" => Value::Of(Self::Plan),
            "work_type" => Value::Of(Self::Types),
            "shell" => Value::Of(Self::Shells),
            _ => Value::File,
        }
    }
}

/// A verb, or the program itself.
struct Verb<'i> {
    /// With the verbs that lead to it.
    path: String,
    info: &'i CommandInfoWithArgs,
}

impl Verb<'_> {
    fn options(&self) -> impl Iterator<Item = &FlagInfo<'_>> {
        self.info.flags.iter().filter(|flag| !flag.hidden)
    }

    /// What words by themselves are; none is taken where there are verbs.
    fn word(&self) -> Option<Value> {
        self.info.positionals.first().map(|it| Words::of(it.name))
    }

    fn function(&self) -> String {
        format!("_{PROGRAM} {}", self.path)
            .trim_end()
            .replace(' ', "_")
    }
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}

/// The first sentence, or part of one, of a description.
fn brief(text: &str) -> String {
    let text = program::named(text, PROGRAM);
    let ends = [". ", "; ", ": "].iter().filter_map(|end| text.find(end));
    let end = ends.min().unwrap_or(text.len());
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Script<'i> {
    verbs: Vec<Verb<'i>>,
}

impl<'i> Script<'i> {
    fn new(info: &'i CommandInfoWithArgs) -> Self {
        let mut verbs = Vec::new();
        let mut next = vec![(String::new(), info)];
        while let Some((path, info)) = next.pop() {
            for verb in info.commands.iter().rev() {
                let path = format!("{path} {}", verb.name);
                next.push((path.trim_start().to_owned(), &verb.command));
            }
            verbs.push(Verb { path, info });
        }
        Self { verbs }
    }

    fn begin(shell: &str) -> String {
        format!("# Written by `{PROGRAM} completions {shell}`.\n")
    }

    fn bash(&self) -> String {
        let mut text = Self::begin("bash");
        for words in Words::ALL {
            let (name, list) = (words.name(), words.list());
            let _ok = writeln!(text, "_{PROGRAM}_{name}='{list}'");
        }
        let mut paths = String::new();
        let mut arms = String::new();
        for verb in &self.verbs {
            if !verb.path.is_empty() {
                let _ok = write!(paths, "'{}' | ", verb.path);
            }
            let list = |all: &mut dyn Iterator<Item = &str>| {
                all.collect::<Vec<_>>().join(" ")
            };
            let verbs = list(&mut verb.info.commands.iter().map(|v| v.name));
            let options = list(&mut verb.options().map(|flag| flag.long));
            let valued = verb.options().filter(|flag| takes_value(flag));
            let valued = list(&mut valued.map(|flag| flag.long));
            let word = match verb.word() {
                Some(Value::Of(words)) => words.name(),
                Some(Value::File) => "files",
                None => "",
            };
            let _ok = writeln!(
                arms,
                "    '{}')\n        verbs='{verbs}' word='{word}'\n        \
                 options='{options}'\n        valued='{valued}' ;;",
                verb.path
            );
        }
        let paths = paths.trim_end_matches(" | ");
        text + &BASH
            .replace("PROGRAM", PROGRAM)
            .replace("PATHS", paths)
            .replace("ARMS\n", &arms)
    }

    fn zsh(&self) -> String {
        let mut text = format!("#compdef {PROGRAM}\n{}", Self::begin("zsh"));
        for words in Words::ALL {
            let (name, list) = (words.name(), words.list());
            let _ok = writeln!(
                text,
                "_{PROGRAM}_words_{name}() {{\n    local -a words=({list})\n\
                 \x20   compadd -- $words\n}}"
            );
        }
        for verb in self.verbs.iter().rev() {
            let _ok = writeln!(text, "{}() {{", verb.function());
            text.push_str("    local curcontext=$curcontext state line\n");
            text.push_str("    typeset -A opt_args\n    _arguments -C");
            for flag in verb.options() {
                let again = match flag.optionality {
                    Optionality::Repeating => "*",
                    _ => "",
                };
                let about = zsh_quoted(&brief(flag.description));
                let long = flag.long;
                let _ok = match takes_value(flag) {
                    true => write!(
                        text,
                        " \\\n        '{again}{long}=[{about}]:value:{}'",
                        zsh_value(Words::of(long))
                    ),
                    false => {
                        write!(text, " \\\n        '{again}{long}[{about}]'")
                    }
                };
            }
            if verb.info.commands.is_empty() {
                let value = verb.word().map_or("", zsh_value);
                let _ok = match value {
                    "" => Ok(()),
                    value => write!(text, " \\\n        '*:word:{value}'"),
                };
                text.push_str("\n}\n");
                continue;
            }
            text.push_str(" \\\n        '1: :->verb' '*:: :->rest'\n");
            text.push_str(
                "    case $state in\n    verb)\n        local -a v=(",
            );
            for one in &verb.info.commands {
                let about = brief(one.command.description);
                let about = zsh_quoted(&about);
                let _ok = write!(text, "\n            '{}:{about}'", one.name);
            }
            text.push_str(")\n        _describe verb v ;;\n    rest)\n");
            text.push_str("        case $line[1] in\n");
            for one in &verb.info.commands {
                let (name, function) = (one.name, verb.function());
                let _ok =
                    writeln!(text, "        {name}) {function}_{name} ;;");
            }
            text.push_str("        esac ;;\n    esac\n}\n");
        }
        let _ok = writeln!(text, "_{PROGRAM} \"$@\"");
        text
    }

    fn fish(&self) -> String {
        let mut paths = String::new();
        let mut lines = String::new();
        for verb in &self.verbs {
            if !verb.path.is_empty() {
                let _ok = write!(paths, " '{}'", verb.path);
            }
            let name = match &*verb.path {
                "" => "top",
                path => path,
            };
            let at = format!(
                "complete -c {PROGRAM} -n \"contains -- '{name}' \
                 (__{PROGRAM}_verb)\""
            );
            for flag in verb.options() {
                let long = flag.long.trim_start_matches('-');
                let about = fish_quoted(&brief(flag.description));
                let value = match takes_value(flag) {
                    true => fish_value(Words::of(flag.long), " -r"),
                    false => String::new(),
                };
                let _ok = writeln!(lines, "{at} -l {long}{value} -d '{about}'");
            }
            for one in &verb.info.commands {
                let about = fish_quoted(&brief(one.command.description));
                let _ok = writeln!(lines, "{at} -a {} -d '{about}'", one.name);
            }
            if let Some(word) = verb.word() {
                let _ok = writeln!(lines, "{at}{}", fish_value(word, ""));
            }
        }
        let plan = fish_value(Value::Of(Words::Plan), "");
        let _ok = writeln!(
            lines,
            "complete -c {PROGRAM} -n \"contains -- plan (__{PROGRAM}_verb)\"\
             {plan}"
        );
        Self::begin("fish")
            + &FISH.replace("PROGRAM", PROGRAM).replace(" PATHS", &paths)
            + &lines
    }
}

fn zsh_quoted(text: &str) -> String {
    let mut quoted = text.replace('\'', "'\\''");
    for special in ['[', ']', ':'] {
        quoted = quoted.replace(special, &format!("\\{special}"));
    }
    quoted
}

fn zsh_value(value: Value) -> &'static str {
    match value {
        Value::Of(Words::Plan) => "_pidonectl_words_plan",
        Value::Of(Words::Types) => "_pidonectl_words_types",
        Value::Of(Words::Arches) => "_pidonectl_words_arches",
        Value::Of(Words::Shells) => "_pidonectl_words_shells",
        Value::File => "_files",
    }
}

fn fish_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn fish_value(value: Value, required: &str) -> String {
    match value {
        Value::Of(words) => format!("{required} -f -a '{}'", words.list()),
        Value::File => format!("{required} -F"),
    }
}

/// bash breaks words at `=` and `:`, where ours go on, so the line is split
/// anew. Behind a lone `--` is a plan, whatever the verb.
const BASH: &str = r#"_PROGRAM() {
    local line=${COMP_LINE:0:COMP_POINT} verb= plan= last= at all
    read -ra all <<< "$line"
    [[ $line == *[[:space:]] ]] && all+=('')
    local now=${all[-1]}
    for at in "${all[@]:1:${#all[@]}-2}"; do
        [[ $at == -- ]] && plan=y
        at="$verb $at"
        case ${at# } in
        PATHS) [[ $plan ]] || verb=${at# } ;;
        esac
    done
    (( ${#all[@]} > 2 )) && last=${all[-2]}
    local verbs= options= valued= word=
    case $verb in
ARMS
    esac
    local kind=$word
    if [[ $plan ]]; then
        kind=plan
    elif [[ $last && " $valued " == *" $last "* ]]; then
        case $last in
        --arch) kind=arches ;;
        *) kind=files ;;
        esac
    elif [[ $now == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$now"))
        return
    elif [[ $verbs ]]; then
        COMPREPLY=($(compgen -W "$verbs" -- "$now"))
        return
    fi
    case $kind in
    '') ;;
    files)
        compopt -o filenames 2> /dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$now") ;;
    *)
        kind=_PROGRAM_$kind
        COMPREPLY=($(compgen -W "${!kind}" -- "$now"))
        [[ $now == *=* && $COMP_WORDBREAKS == *=* ]] &&
            COMPREPLY=("${COMPREPLY[@]#"${now%=*}="}") ;;
    esac
}
complete -F _PROGRAM PROGRAM
"#;

const FISH: &str = r#"function __PROGRAM_verb
    set -l verb
    for word in (commandline -opc)[2..-1]
        if test "$word" = --
            echo plan
            return
        end
        set -l next (string trim -- "$verb $word")
        contains -- "$next" PATHS
        and set verb $next
    end
    test -n "$verb"
    or set verb top
    echo $verb
end
complete -c PROGRAM -f
"#;

#[cfg(test)]
mod tests {
    use super::Shell;
    use crate::cli::pidonectl;
    use std::collections::BTreeSet;
    use std::fs;
    use std::process::Command;

    /// What bash offers behind a line.
    fn offered(line: &str) -> BTreeSet<String> {
        let dir = tempfile::tempdir().unwrap();
        let script = Shell::Bash.script(&pidonectl::info());
        fs::write(dir.path().join("script"), script).unwrap();
        let call = "set -u; source ./script; COMP_LINE=$1; \
                    COMP_POINT=${#1}; COMPREPLY=(); _pidonectl; \
                    printf '%s\\n' \"${COMPREPLY[@]-}\"";
        let out = Command::new("bash")
            .args(["--norc", "-c", call, "bash", line])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let (said, errors) = (out.stdout, out.stderr);
        assert!(
            errors.is_empty(),
            "{line}: {}",
            String::from_utf8_lossy(&errors)
        );
        let said = String::from_utf8(said).unwrap();
        said.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn bash_offers_what_the_help_has() {
        for (line, some, none) in [
            ("pidonectl ", "boot", "build"),
            ("pidonectl b", "bisect", "compare"),
            ("pidonectl boot --ker", "--kernel", "--arch"),
            ("pidonectl boot --arch ", "aarch64", "--kernel"),
            ("pidonectl boot wo", "work=PipeIo", "plan=smoke"),
            ("pidonectl boot work=Pip", "PipeIo", "Schbench"),
            ("pidonectl boot --kernel ", "script", "work=PipeIo"),
            ("pidonectl kernel ", "fetch", "boot"),
            ("pidonectl kernel build --tr", "--tree", "--kernel"),
            ("pidonectl compare a b -- plan=", "smoke", "script"),
            ("pidonectl explain Pi", "PipeIo", "work=PipeIo"),
            ("pidonectl completions ", "fish", "script"),
            ("pidonectl decode ", "script", "boot"),
        ] {
            let offered = offered(line);
            assert!(offered.contains(some), "{line}: {offered:?}");
            assert!(!offered.contains(none), "{line}: {offered:?}");
        }
    }

    #[test]
    fn every_option_is_in_every_script() {
        let info = pidonectl::info();
        let scripts = Shell::ALL.map(|shell| shell.script(&info));
        for verb in &info.commands {
            for flag in verb.command.flags.iter().filter(|flag| !flag.hidden) {
                let name = flag.long.trim_start_matches('-');
                for script in &scripts {
                    assert!(script.contains(name), "{} {name}", verb.name);
                }
            }
        }
    }
}
