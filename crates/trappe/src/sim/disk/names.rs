//! Which file is called what, and what of that is on disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::sim::chance::Chance;

/// One step: each of these names is that file's from then on, or no file's.
type Step = Vec<(String, Option<u64>)>;

/// The names in the folder, and the folder's own.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The folder is there.
    pub(super) is_made: bool,
    /// It also is after a power cut: the one that it is in was synced since.
    is_made_for_good: bool,
    now: BTreeMap<String, u64>,
    /// The names when the folder was last synced.
    disk: BTreeMap<String, u64>,
    /// What was done since then, in order.
    steps: Vec<Step>,
    /// How often anything was done.
    pub(super) written: u64,
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.now.get(name).copied()
    }

    /// Does one step: all of it is there after a power cut, or nothing.
    pub(super) fn step(&mut self, step: Step) {
        apply(&mut self.now, &step);
        self.steps.push(step);
        self.written += 1;
    }

    pub(super) fn sync(&mut self) {
        self.steps.clear();
        self.disk.clone_from(&self.now);
    }

    pub(super) fn sync_parent(&mut self) {
        self.is_made_for_good = self.is_made;
    }

    /// The power is cut. A file system writes down steps in their order: the first ones are there.
    pub(super) fn lose(&mut self, chance: &mut Chance) {
        let steps = std::mem::take(&mut self.steps);
        let count = match chance.size(0..=2) {
            0 => 0,
            1 => steps.len(),
            _ => chance.size(0..=steps.len()),
        };
        for step in &steps[..count] {
            apply(&mut self.disk, step);
        }
        if self.is_made && !self.is_made_for_good && chance.one_in(2) {
            *self = Names::default();
        }
        self.is_made_for_good = self.is_made;
        self.now.clone_from(&self.disk);
    }

    /// All files that have, or may have again, a name.
    pub(super) fn all(&self) -> BTreeSet<u64> {
        let of_steps = self.steps.iter().flatten().filter_map(|(_, node)| *node);
        self.now.values().chain(self.disk.values()).copied().chain(of_steps).collect()
    }
}

fn apply(names: &mut BTreeMap<String, u64>, step: &Step) {
    for (name, node) in step {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}
