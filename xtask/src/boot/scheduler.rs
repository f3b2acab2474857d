//! A sched_ext scheduler's program: what goes into the image for it, and what
//! the plan says of it.

use crate::build;
use crate::kernel_build::image;
use crate::kernel_check;
use anyhow::{Context, Result, bail};
use core::time::Duration;
use initramfs::add::Addition;
use initramfs::newc::Archive;
use pidone::plan::settings::Boot;
use pidone::plan::sources::Sources;
use pidone::plan::token::Source;
use std::fs;
use std::path::Path;

/// What `--scheduler` asks for.
#[derive(Debug)]
pub(super) struct Packed {
    /// The program as an addition.
    pub(super) addition: Addition,
    /// What `scx=` is set to: where it goes, and its arguments.
    command: String,
}

impl Packed {
    /// Reads `BIN`, or `BIN ARGS`; the file's path may have spaces itself.
    ///
    /// # Errors
    ///
    /// The program's name has spaces, or an argument cannot be in a plan.
    pub(super) fn parse(text: &Path) -> Result<Self> {
        let text = text.to_str().with_context(|| {
            format!("--scheduler {}: not UTF-8", text.display())
        })?;
        let spaces = text.match_indices(char::is_whitespace).map(|(at, _)| at);
        let ends = [text.len()].into_iter().chain(spaces.clone().rev());
        let file = |end: &usize| Path::new(&text[..*end]).is_file();
        let end = ends.into_iter().find(file);
        let first = || spaces.clone().next().unwrap_or(text.len());
        let (program, rest) = text.split_at(end.unwrap_or_else(first));
        let name = Path::new(program).file_name().and_then(|n| n.to_str());
        let name = name.filter(|name| !name.contains(char::is_whitespace));
        let Some(name) = name else {
            bail!(
                "--scheduler {program}: not the name of a program, without \
                 spaces"
            );
        };
        if rest.contains('"') {
            bail!("--scheduler {text}: no argument can have a quote in it");
        }
        let path = format!("/bin/{name}");
        let words: Vec<&str> = rest.split_whitespace().collect();
        Ok(Self {
            addition: format!("{program}:{path}").parse()?,
            command: [&[path.as_str()], &words[..]].concat().join(" "),
        })
    }

    /// Begins a plan with it, unless that says where its scheduler is.
    ///
    /// # Errors
    ///
    /// The plan does, and there are arguments that would be lost.
    pub(super) fn begin(
        &self,
        tokens: &mut Vec<String>,
        added: &Archive,
    ) -> Result<()> {
        let arguments = self.command.contains(' ');
        match (says("scx", &tokens.join(" "), added), arguments) {
            (true, true) => bail!(
                "--scheduler has arguments, and the plan has an scx= of its \
                 own: give them there"
            ),
            (true, false) => {}
            (false, true) => tokens.insert(0, format!("\"{self}\"")),
            (false, false) => tokens.insert(0, self.to_string()),
        }
        Ok(())
    }

    /// What lets it load for longer where the machine may take longer, unless
    /// the plan says how long.
    pub(super) fn limit(
        &self,
        timeout: Option<Duration>,
        tokens: &[String],
        added: &Archive,
    ) -> Option<String> {
        let limit = timeout? / SHARE;
        let given = says("scx_load", &tokens.join(" "), added);
        let longer = limit > Boot::DEFAULT.scx_load && !given;
        longer.then(|| format!("scx_load={}ms", limit.as_millis()))
    }
}

/// How much of `--timeout` a program may take to load its scheduler.
const SHARE: u32 = 2;

impl core::fmt::Display for Packed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "scx={}", self.command)
    }
}

/// Whether a plan, or the packed one that it names, has this key.
fn says(key: &str, tokens: &str, added: &Archive) -> bool {
    let args = Source::args(tokens);
    let sources = Sources {
        args,
        ..Sources::default()
    };
    let packed = sources
        .plan_name()
        .and_then(|name| build::packed_plan(added, name).map(Source::file));
    let all = [Some(args), packed].into_iter().flatten();
    all.flat_map(|source| source.tokens())
        .any(|token| token.key == key)
}

/// Packs the kernel's configuration where libbpf looks for it, unless the
/// kernel shows it itself. Programs that ask for one do not load without.
///
/// # Errors
///
/// The image cannot be read.
pub(super) fn pack_config(kernel: &Path, added: &mut Archive) -> Result<()> {
    let what = || kernel.display().to_string();
    let Some(config) = kernel_check::of_image(kernel) else {
        crate::tell!(
            "note: no configuration of {} is known; a scheduler that asks \
             libbpf for it does not load",
            what()
        );
        return Ok(());
    };
    if config.is_y("CONFIG_IKCONFIG_PROC") {
        return Ok(());
    }
    let bytes = fs::read(kernel).with_context(what)?;
    let Some(release) = image::release(&bytes) else {
        crate::tell!(
            "note: {} does not say its release, by which libbpf would find \
             its configuration; a scheduler that asks for it does not load",
            what()
        );
        return Ok(());
    };
    let path = format!("boot/config-{release}");
    if added.get(&format!("/{path}")).is_some() {
        return Ok(());
    }
    added.file(&path, 0o644, config.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Packed, pack_config, says};
    use core::time::Duration;
    use initramfs::compress::Compression;
    use initramfs::newc::Archive;
    use std::fs;
    use std::path::Path;

    fn parse(text: &str) -> Result<String, String> {
        let packed = Packed::parse(Path::new(text));
        packed.map(|it| it.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_scheduler_is_a_program_and_its_arguments() {
        let is = |text: &str| parse(text).unwrap();
        assert_eq!(is("out/scx_simple"), "scx=/bin/scx_simple");
        assert_eq!(is("out/scx_x -s  5"), "scx=/bin/scx_x -s 5");
        let dir = tempfile::tempdir().unwrap();
        let spaced = dir.path().join("two words");
        fs::create_dir(&spaced).unwrap();
        fs::write(spaced.join("scx"), "").unwrap();
        let spaced = spaced.join("scx").display().to_string();
        assert_eq!(is(&spaced), "scx=/bin/scx");
        assert_eq!(is(&format!("{spaced} -v a")), "scx=/bin/scx -v a");
        for bad in ["..", "", "scx -n \"a b\""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_gets_a_place_unless_the_plan_says_where() {
        let mut added = Archive::default();
        let plan = b"scx=fifo work=PipeIo".to_vec();
        added.file("plans/mine", 0o644, plan).unwrap();
        let says = |tokens| says("scx", tokens, &added);
        assert!(says("plan=mine") && says("\"scx=/bin/x -f\" work=PipeIo"));
        assert!(!says("work=PipeIo") && !says("plan=smoke") && !says(""));
        let begun = |program: &str, plan: &str| {
            let mut tokens = vec![plan.to_owned()];
            let packed = Packed::parse(Path::new(program)).unwrap();
            let begun = packed.begin(&mut tokens, &added);
            begun.map(|()| tokens.join(" ")).map_err(|e| e.to_string())
        };
        assert_eq!(
            begun("a/x", "plan=smoke").unwrap(),
            "scx=/bin/x plan=smoke"
        );
        let quoted = begun("a/x -f", "plan=smoke").unwrap();
        assert_eq!(quoted, "\"scx=/bin/x -f\" plan=smoke");
        assert_eq!(begun("a/x", "plan=mine").unwrap(), "plan=mine");
        let said = begun("a/x -f", "plan=mine").unwrap_err();
        assert!(said.contains("give them there"), "{said}");
        let packed = Packed::parse(Path::new("a/x")).unwrap();
        let limit = |seconds: Option<u64>, plan: &str| {
            let timeout = seconds.map(Duration::from_secs);
            packed.limit(timeout, &[plan.to_owned()], &added)
        };
        let longer = limit(Some(301), "plan=smoke");
        assert_eq!(longer.as_deref(), Some("scx_load=150500ms"));
        for (seconds, plan) in
            [(None, ""), (Some(60), ""), (Some(300), "scx_load=1s")]
        {
            assert_eq!(limit(seconds, plan), None, "{plan}");
        }
    }

    #[test]
    fn a_configuration_lies_where_libbpf_looks() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = dir.path().join("vmlinuz-7.2");
        let packed = |config: &str, banner: &str| {
            let config = Compression::Gzip.compress(config.as_bytes()).unwrap();
            let text = [banner.as_bytes(), b"IKCFG_ST", &config[..]].concat();
            fs::write(&kernel, text).unwrap();
            let mut added = Archive::default();
            pack_config(&kernel, &mut added).unwrap();
            let paths: Vec<_> =
                added.entries().map(|entry| entry.path.clone()).collect();
            let text = added
                .get("/boot/config-7.2-x")
                .map(|entry| String::from_utf8(entry.data.clone()).unwrap());
            (paths.join(" "), text)
        };
        let banner = "Linux version 7.2-x (a@b) gcc";
        let (_, text) = packed("CONFIG_A=y\nCONFIG_B=\"x\"\n", banner);
        assert_eq!(text.unwrap(), "CONFIG_A=y\nCONFIG_B=\"x\"\n");
        let shown = "CONFIG_IKCONFIG_PROC=y\n";
        assert_eq!(packed(shown, banner), (String::new(), None));
        assert_eq!(packed("CONFIG_A=y\n", ""), (String::new(), None));
    }
}
