//! `cargo xtask sim`: lives of the hub in a simulated world (`crates/trappe/src/sim`), and defects that are planted in its
//! source, each of which some life must meet.

mod defects;
mod planted;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::{self, Outcome};
use crate::test::STEP_MAX;
use crate::workspace::Workspace;

/// What makes a simulated world of the same code.
const FLAGS: &str = "--cfg sim --cfg tokio_unstable";
const BUILD: &[&str] = &["build", "-q", "--profile", "sim", "-p", "trappe", "--bin", "trappe"];
/// The tests of the world's own parts.
pub(crate) const TESTS: &[&str] =
    &["test", "-q", "--profile", "sim", "-p", "trappe", "--lib", "sim::", "--", "--show-output"];

/// How many lives `cargo xtask test` looks at: the same ones each time.
const LIVES: &str = "200";

/// What was typed after `sim`.
pub(crate) enum Options {
    /// For the simulation itself.
    Lives(Vec<String>),
    Planted(planted::Options),
}

impl Options {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        match words.split_first() {
            Some((first, rest)) if first == "--planted" => {
                planted::Options::parse(rest).map(Self::Planted)
            }
            _ => Ok(Self::Lives(words.to_vec())),
        }
    }
}

/// Builds the simulation and runs it. Gives its exit code.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let words = match options {
        Options::Lives(words) => words,
        Options::Planted(options) => {
            return planted::run(workspace, options).map(|all_caught| u8::from(!all_caught));
        }
    };
    let target = target(workspace);
    let mut cargo = workspace.cargo(BUILD);
    let built = simulated(&mut cargo, &target).status().context("starting cargo")?;
    ensure!(built.success(), "the simulation can't be built");
    let mut lives = Command::new(binary(&target));
    let ended = lives.args(words).current_dir(&workspace.root).status();
    let code = ended.context("starting the simulation")?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The first lives, for `cargo xtask test`.
pub(crate) fn first_lives(workspace: &Workspace) -> Result<Outcome> {
    let target = target(workspace);
    let built = run::run(simulated(&mut workspace.cargo(BUILD), &target), STEP_MAX)?;
    if !built.ok {
        return Ok(built);
    }
    run::run(Command::new(binary(&target)).args(["--seeds", LIVES]), STEP_MAX)
}

/// The last line of what the simulation says: how many lives there were, and how they went.
pub(crate) fn summary(output: &str) -> &str {
    output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing")
}

/// Everything has to be built anew for these flags: in a folder of its own.
pub(crate) fn target(workspace: &Workspace) -> PathBuf {
    workspace.target().join("sim")
}

/// Cargo, for a simulated world.
pub(crate) fn simulated<'c>(cargo: &'c mut Command, target: &Path) -> &'c mut Command {
    cargo.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", target)
}

fn binary(target: &Path) -> PathBuf {
    target.join("sim/trappe")
}
