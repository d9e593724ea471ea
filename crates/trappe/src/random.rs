//! Random numbers: the system's. In a simulated world (`--cfg sim`) its seed's, so that a run can be repeated.

/// Fills `bytes` with numbers that nobody can guess.
///
/// # Panics
/// The system gives none: then tokens could be guessed, and two lives of a room not be told apart.
#[cfg(not(sim))]
pub(crate) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives random numbers");
}

#[cfg(sim)]
pub(crate) use crate::sim::chance::fill;

/// Any number, each as likely. Panics as [`fill`] does.
pub(crate) fn number() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
