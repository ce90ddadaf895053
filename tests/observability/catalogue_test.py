"""The metrics catalogue: faults are named, what follows from it is current."""

import re
import tempfile
import unittest

from catalogue import GENERATOR, ROOT, generate, metric_list, promtool

ENTRY = """
[when]
always = "from the start"
[operant_test_things_total]
type = "counter"
help = "Things that were counted."
role = "learner"
"""


def faults_of(text):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        done = generate("check", file.name)
    return done.returncode, done.stderr


class CatalogueTest(unittest.TestCase):

    def test_a_well_formed_entry_passes(self):
        self.assertEqual(faults_of(ENTRY), (0, ""))

    def test_each_broken_entry_is_named_with_what_is_expected(self):
        for old, new, words in (
            ('help = "Things that were counted."\n', "", "help=''"),
            ('"Things that were counted."', '"Things"', "help='Things'"),
            ('"counter"', '"number"', "type='number', expected counter or"),
            ('"counter"', '"gauge"', "expected a counter, and only it"),
            ('"counter"', '"histogram"', "buckets=None"),
            ('"learner"', '"trainer"', "role='trainer'"),
            ("operant_test", "Operant_test", "name='Operant_test"),
            ('role = "learner"', 'role = "learner"\nwhen = "never"', "when="),
            ('role = "learner"', 'role = "learner"\nhelpp = ""', "key='helpp'"),
            ('role = "learner"', 'role = "learner"\nlabels = {le = ["1"]}',
             "label='le'"),
            ('role = "learner"', 'role = "learner"\nlabels = {kind = []}',
             "kind=[]"),
            ('role = "learner"', 'role = "learner"\nequals = "mean x"',
             "equals='mean x'"),
            ("[when]", "[when", "not TOML"),
        ):
            with self.subTest(new):
                self.assertIn(old, ENTRY)
                code, errors = faults_of(ENTRY.replace(old, new))
                self.assertEqual(code, 65)
                self.assertIn(words, errors)

    def test_the_documentation_is_current(self):
        self.assertEqual((ROOT / "docs/metrics.md").read_text(),
                         generate("docs").stdout,
                         f"run {GENERATOR.name} docs > docs/metrics.md")

    def test_every_figure_is_one_of_the_steps_report(self):
        source = ((ROOT / "learner/step_report.cc").read_text() +
                  (ROOT / "learner/run_recorder.cc").read_text())
        written = set(re.findall(r'\{"([a-z0-9_]+)",', source))
        catalogue = (ROOT / "common/base/metrics.toml").read_text()
        used = re.findall(r'"(?:last|sum|count) ([a-z0-9_]+)"', catalogue)
        self.assertGreater(len(used), 30)
        self.assertEqual(set(used) - written, set())

    def test_nothing_is_registered_beside_the_catalogue(self):
        beside = []
        for folder in ("common", "learner", "rollout", "reward", "cli"):
            for path in sorted((ROOT / folder).rglob("*.cc")):
                text = path.read_text()
                if path.name != "metrics.cc" and re.search(
                        r"\bAdd(Counter|Gauge|Histogram)\(", text):
                    beside.append(str(path.relative_to(ROOT)))
        self.assertEqual(beside, [], "declare it in metrics.toml, then "
                         "registry->Get(metric::kName)")

    def test_every_family_is_set_somewhere(self):
        source = "".join(path.read_text() for folder in (
            "common", "learner", "rollout", "reward")
                         for path in (ROOT / folder).rglob("*.cc"))
        for line in (ROOT / "common/base/metrics.toml").read_text().split("\n"):
            name = line.strip("[]")
            if re.fullmatch(r"\[[a-z0-9_]+\]", line) and name != "when":
                words = name.removeprefix("operant_").split("_")
                constant = "metric::k" + "".join(w.capitalize() for w in words)
                self.assertTrue(constant in source or f'"{name}"' in source,
                                f"{name} is exported by nobody")

    def test_promtool_finds_no_fault_in_the_fixture(self):
        done = promtool("check", "metrics", stdin=generate("fixture").stdout)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        self.assertGreater(len(metric_list()), 100)


if __name__ == "__main__":
    unittest.main()
