"""Runs of chaos.py with disjoint seeds become one table.

    chaos_sums_test.py
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import chaos_sums  # noqa: E402


def row(name, **said):
    return {"name": name, "value": 1, "violations": 0, "seconds": 2, **said}


def table_of(name, *rows):
    runs = []
    for seed, one in enumerate(rows):
        runs = chaos_sums.add_run(runs, seed, [{**one, "name": name}])
    return chaos_sums.table(runs, [name])[0]


class ChaosSumsTest(unittest.TestCase):
    def test_counts_of_different_seeds_add_up(self):
        total = table_of("faults",
                         row("", value=30, kinds={"a": 2}, violations=1),
                         row("", value=40, kinds={"a": 1, "b": 5}))
        self.assertEqual(total["value"], 70)
        self.assertEqual(total["violations"], 1)
        self.assertEqual(total["kinds"], {"a": 3, "b": 5})
        self.assertEqual((total["runs"], total["seconds"]), (2, 4))

    def test_a_seed_that_is_run_again_counts_once(self):
        runs = chaos_sums.add_run([], 1, [row("crash-states", value=10)])
        runs = chaos_sums.add_run(runs, 1, [row("crash-states", value=12)])
        runs = chaos_sums.add_run(runs, 1, [row("faults", value=5)])
        names = ["crash-states", "faults"]
        self.assertEqual([r["value"] for r in chaos_sums.table(runs, names)],
                         [12, 5])

    def test_percentiles_are_of_all_samples(self):
        quick = chaos_sums.p95_row([1.0] * 19, 5)
        slow = chaos_sums.p95_row([9.0, 9.0], 5)
        total = table_of("back-p95", row("", **quick), row("", **slow))
        self.assertEqual(total["samples"], 21)
        self.assertEqual((total["value"], total["violations"]), (9.0, 1))

    def test_what_failed_or_was_skipped_is_not_passed(self):
        failed = table_of("faults", row("", value=30),
                          row("", value=0, violations=1, error="gone"))
        self.assertEqual((failed["value"], failed["violations"]), (30, 1))
        self.assertEqual(failed["error"], "gone")
        skipped = table_of("faults", row("", value=0, skipped="not built"))
        self.assertEqual(skipped["skipped"], "not built")

    def test_what_repeats_itself_is_not_added(self):
        total = table_of("failpoints", row("", value=24, hits_each=3),
                         row("", value=24, hits_each=8))
        self.assertEqual((total["value"], total["hits_each"]), (24, 11))
        slowest = table_of("accept-rate", row("", value=1600, violations=0),
                           row("", value=1400, violations=1))
        self.assertEqual((slowest["value"], slowest["violations"]), (1400, 1))

    def test_the_bar_of_effective_time_is_for_long_runs(self):
        said = {"steps": 80, "median_step_seconds": 1, "wall_seconds": 100,
                "effective": 0.8, "faults": 2, "on_learner": 1,
                "violations": 0}
        short = chaos_sums.effective_row([said])
        self.assertEqual((short["value"], short["violations"]), (0.8, 0))
        self.assertIn("shorter than", short["note"])
        long = chaos_sums.effective_row(
            [{**said, "steps": 1440, "wall_seconds": 1800}])
        self.assertEqual((long["value"], long["violations"]), (0.8, 1))


if __name__ == "__main__":
    unittest.main()
