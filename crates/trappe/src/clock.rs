//! The wall clock: the system's. In a simulated world (`--cfg sim`) one that is made of its seed.

/// What time it is.
#[cfg(not(sim))]
pub(crate) fn wall() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[cfg(sim)]
pub(crate) use crate::sim::clock::wall;
