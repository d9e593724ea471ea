//! `cargo xtask sim --planted`: shows that the simulation can fail. Each defect is planted alone in a copy of the workspace,
//! and lives are looked at until one breaks a promise.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{BUILD, binary, defects::DEFECTS, simulated, summary};
use crate::run;
use crate::workspace::Workspace;

/// How many lives a defect may survive.
const LIVES: u64 = 1000;
/// Lives of one run of the simulation.
const LIVES_AT_ONCE: u64 = 20;
/// How long a run may take. The simulation itself gives up a life that doesn't come to an end.
const RUN_MAX: Duration = Duration::from_mins(30);
/// How long a build may take; the first one builds everything.
const BUILD_MAX: Duration = Duration::from_mins(20);

/// What the simulation says of a life that broke a promise, after `seed` and its number.
const BROKE: &str = " broke a promise: ";
/// How it goes on, with how to live that life again.
const AGAIN: &str = " (again: ";

/// Isn't copied, wherever it lies.
const LEFT_OUT: &[&str] = &["target", ".git", "node_modules"];

/// A defect: text of a file, which becomes another.
pub(super) struct Defect {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) text: &'static str,
    pub(super) becomes: &'static str,
    /// What is wrong with it.
    pub(super) why: &'static str,
}

impl Defect {
    /// What its file is with it, and without.
    fn planted(&self, root: &Path) -> Result<(String, String)> {
        let sound = fs::read_to_string(root.join(self.file))
            .with_context(|| format!("{}: reading {}", self.name, self.file))?;
        let found = sound.matches(self.text).count();
        ensure!(found == 1, "{}: its text stands {found} times in {}", self.name, self.file);
        Ok((sound.replacen(self.text, self.becomes, 1), sound))
    }
}

/// What was typed after `--planted`.
pub(crate) struct Options {
    /// Names, or parts of them; none: all.
    only: Vec<String>,
    lives: u64,
    /// Only whether they compile.
    check: bool,
}

impl Options {
    pub(super) fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self { only: Vec::new(), lives: LIVES, check: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "--check" => options.check = true,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--lives" => {
                    let count = value()?;
                    options.lives =
                        count.parse().map_err(|_| format!("{count:?} is no number of lives"))?;
                }
                _ => return Err(format!("`sim --planted` does not take `{word}`")),
            }
        }
        Ok(options)
    }

    fn chosen(&self) -> Vec<&'static Defect> {
        let is_named = |it: &Defect| self.only.iter().any(|name| it.name.contains(name));
        DEFECTS.iter().filter(|it| self.only.is_empty() || is_named(it)).collect()
    }
}

/// Plants each in turn. True if all are caught.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let chosen = options.chosen();
    ensure!(!chosen.is_empty(), "no defect has such a name");
    let folder = workspace.target().join("planted");
    let field = Field { tree: folder.join("tree"), target: folder.join("target") };
    copy(&workspace.root, &field.tree)?;
    let mut known = Vec::new();
    if !options.check {
        // Else it could be anything that is caught.
        field.build(false)?;
        known = field.broken(1, options.lives)?;
        for (seed, promise) in &known {
            println!("seed {seed} breaks a promise without any defect: {promise}");
        }
    }
    let mut caught = 0;
    for defect in &chosen {
        let begun = Instant::now();
        let (planted, sound) = defect.planted(&field.tree)?;
        let file = field.tree.join(defect.file);
        fs::write(&file, planted).context("planting a defect")?;
        let found = field.build(options.check).and_then(|()| {
            if options.check {
                Ok(Some("compiles".to_owned()))
            } else {
                field.hunt(options.lives, &known)
            }
        });
        fs::write(&file, sound).context("taking a defect away")?;
        caught += usize::from(matches!(found, Ok(Some(_))));
        let words = match found {
            Ok(Some(words)) => words,
            Ok(None) => format!("NOT CAUGHT in {} lives: {}", options.lives, defect.why),
            Err(error) => format!("NOT TRIED: {error:#}"),
        };
        println!("{:<28} {words} ({} s)", defect.name, begun.elapsed().as_secs());
    }
    let done = if options.check { "compile" } else { "caught" };
    println!("{caught} of {} planted defects {done}", chosen.len());
    Ok(caught == chosen.len() && known.is_empty())
}

/// Where defects are planted, and what is built of it.
struct Field {
    tree: PathBuf,
    target: PathBuf,
}

impl Field {
    fn build(&self, check: bool) -> Result<()> {
        let here = Workspace { root: self.tree.clone() };
        let word = |word: &&'static str| if check && *word == "build" { "check" } else { word };
        let arguments: Vec<&str> = BUILD.iter().map(word).collect();
        let built = run::run(simulated(&mut here.cargo(&arguments), &self.target), BUILD_MAX)?;
        ensure!(built.ok, "it doesn't compile:\n{}", built.output);
        Ok(())
    }

    /// Looks at lives until one breaks a promise that it doesn't break by itself. None: no one does.
    fn hunt(&self, lives: u64, known: &[Broken]) -> Result<Option<String>> {
        let is_known = |seed: u64| known.iter().any(|(known, _)| *known == seed);
        let mut first = 1;
        while first <= lives {
            let count = LIVES_AT_ONCE.min(lives + 1 - first);
            let broken = self.broken(first, count)?;
            if let Some((seed, promise)) = broken.iter().find(|(seed, _)| !is_known(*seed)) {
                return Ok(Some(format!("caught by seed {seed}: {promise}")));
            }
            first += count;
        }
        Ok(None)
    }

    /// Which lives break a promise, in their order.
    fn broken(&self, first: u64, count: u64) -> Result<Vec<Broken>> {
        let mut world = Command::new(binary(&self.target));
        world.args(["--seeds", &count.to_string(), "--first", &first.to_string()]);
        let outcome = run::run(world.current_dir(&self.tree), RUN_MAX)?;
        let broken = broken_in(&outcome.output);
        ensure!(
            outcome.ok || !broken.is_empty(),
            "the simulation failed: {}",
            summary(&outcome.output)
        );
        Ok(broken)
    }
}

/// A life, and the promise that it broke.
type Broken = (u64, String);

/// What a run of the simulation says of broken promises.
fn broken_in(output: &str) -> Vec<Broken> {
    let broken = output.lines().filter_map(|line| {
        let (seed, promise) = line.strip_prefix("seed ")?.split_once(BROKE)?;
        let promise = promise.split_once(AGAIN).map_or(promise, |(promise, _)| promise);
        Some((seed.parse().ok()?, promise.to_owned()))
    });
    let mut broken: Vec<Broken> = broken.collect();
    broken.sort_unstable();
    broken
}

/// Brings a copy up to date. What is the same isn't touched, so that it isn't built anew.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    let names = |folder: &Path| -> Result<BTreeSet<OsString>> {
        let listed =
            fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
        let named = listed.map(|entry| Ok(entry?.file_name()));
        let named: std::io::Result<BTreeSet<OsString>> = named.collect();
        named.with_context(|| format!("listing {}", folder.display()))
    };
    let mut there = names(from)?;
    there.retain(|name| LEFT_OUT.iter().all(|left_out| name != left_out));
    for name in names(to)?.difference(&there) {
        let old = to.join(name);
        let removed = if old.is_dir() { fs::remove_dir_all(&old) } else { fs::remove_file(&old) };
        removed.with_context(|| format!("removing {}", old.display()))?;
    }
    for name in &there {
        let (source, copied) = (from.join(name), to.join(name));
        if source.is_dir() {
            copy(&source, &copied)?;
        } else if let Ok(bytes) = fs::read(&source)
            && fs::read(&copied).ok().as_ref() != Some(&bytes)
        {
            fs::write(&copied, bytes).with_context(|| format!("writing {}", copied.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_defect_has_its_place_in_the_code() {
        let root = Workspace::find().expect("the workspace of this test").root;
        let mut names = BTreeSet::new();
        for defect in DEFECTS {
            let (planted, sound) = defect.planted(&root).expect("its text is there, once");
            assert_ne!(planted, sound, "{}", defect.name);
            assert!(names.insert(defect.name), "{} is there twice", defect.name);
            assert!(!defect.why.is_empty());
        }
        assert!(names.len() >= 14, "{} of them", names.len());
    }

    #[test]
    fn each_defect_stands_in_the_documentation_and_none_that_is_gone() {
        let root = Workspace::find().expect("the workspace of this test").root;
        let text = fs::read_to_string(root.join("docs/testing.md")).expect("it is there");
        let (_, table) = text.split_once("### Planted defects").expect("it has its part");
        let (table, _) = table.split_once("\n## ").expect("other parts follow");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let told: Vec<(&str, &str)> =
            rows.filter_map(|(name, rest)| Some((name, rest.split_once(" | ")?.0))).collect();
        let planted: Vec<(&str, &str)> = DEFECTS.iter().map(|it| (it.name, it.why)).collect();
        assert_eq!(told, planted);
    }

    #[test]
    fn lives_that_broke_a_promise_are_told_in_their_order() {
        let output = "seed 30 broke a promise: late (again: --seed 30)\nseed x broke a promise: no\n\
                      seed 29 broke a promise: a repeat: 5\n40 lives, 2 broke a promise\n";
        let broken = [(29, "a repeat: 5".to_owned()), (30, "late".to_owned())];
        assert_eq!(broken_in(output), broken);
    }

    #[test]
    fn a_copy_has_what_is_there_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("trappe-xtask-copy-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        let write = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
            fs::write(path, text).expect("it is written");
        };
        write(from.join("a/kept"), "1");
        write(from.join("target/built"), "2");
        write(to.join("a/gone/old"), "3");
        write(to.join("a/kept"), "old");
        copy(&from, &to).expect("copied");
        let touched =
            |path: PathBuf| fs::metadata(path).and_then(|it| it.modified()).expect("times");
        let before = touched(to.join("a/kept"));
        copy(&from, &to).expect("copied once more");
        assert_eq!(fs::read_to_string(to.join("a/kept")).expect("it is there"), "1");
        assert_eq!(touched(to.join("a/kept")), before, "what is the same is left alone");
        assert!(!to.join("a/gone").exists() && !to.join("target").exists());
        fs::remove_dir_all(folder).expect("it goes");
    }

    #[test]
    fn what_is_typed_chooses_defects() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
        };
        let options = parse("--only resend,fsync --lives 7 --check").expect("it is well typed");
        assert_eq!((options.only.len(), options.lives, options.check), (2, 7, true));
        assert_eq!(parse("").expect("all").chosen().len(), DEFECTS.len());
        for wrong in ["--only", "--lives many", "--seeds 5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
