//! That a life is made of its seed alone, and that something happens in it.

use super::*;

#[test]
fn the_same_seed_is_the_same_life() {
    for seed in [1, 2] {
        let (first, second) = (live(seed), live(seed));
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.digest, second.digest);
        assert_eq!(first.broken, None);
    }
    assert_ne!(live(1).digest, live(2).digest);
}
