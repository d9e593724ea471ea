"""End to end: processes that go on talking over a road that slices, delays, cuts and resets.

`SEED=n` repeats a run, `RUNS=n` makes more of them.
"""
import os
import unittest

from hub_lab import Road, Server, needs_hub
from talkers import Talkers

CUTS = 28


@needs_hub
class Cuts(unittest.TestCase):
    def test_a_road_that_cuts_28_times_loses_and_repeats_nothing(self) -> None:
        first, runs = int(os.environ.get("SEED", "1")), int(os.environ.get("RUNS", "1"))
        for seed in range(first, first + runs):
            with self.subTest(seed=seed), Server() as server:
                road = Road(server.port, CUTS, seed, 4000, 120000)
                try:
                    with Talkers(road.port) as talkers:
                        self.assertTrue(road.is_whole.wait(120), f"{CUTS} cuts in all, {road.cuts} are left")
                        talkers.tell("end")
                        talkers.check(self, talkers.told(), crashes=False)
                finally:
                    road.close()


if __name__ == "__main__":
    unittest.main()
