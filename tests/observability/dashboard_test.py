"""The dashboard draws what is exported, and is what its script writes."""

import json
import re
import subprocess
import sys
import tempfile
import unittest

from catalogue import ROOT, expression_faults, metric_list, promtool

FOLDER = ROOT / "deploy/grafana"
DASHBOARD = json.loads((FOLDER / "operant.json").read_text())
RECORDED = set(re.findall(
    r"record: (\S+)",
    (ROOT / "deploy/prometheus/rules/recording.yaml").read_text()))


def expressions():
    return [(p["title"], t["expr"]) for p in DASHBOARD["panels"]
            for t in p.get("targets", [])]


class DashboardTest(unittest.TestCase):

    def test_it_is_what_the_script_writes(self):
        written = subprocess.run([sys.executable, FOLDER / "dashboard.py"],
                                 capture_output=True, text=True).stdout
        self.assertEqual(json.loads(written), DASHBOARD,
                         "run deploy/grafana/dashboard.py > operant.json")

    def test_every_expression_draws_what_is_exported_or_recorded(self):
        metrics = metric_list()
        self.assertGreater(len(expressions()), 60)
        for title, expression in expressions():
            self.assertEqual(
                list(expression_faults(expression, metrics, RECORDED)), [],
                title)

    def test_promtool_parses_every_expression(self):
        rules = ["groups:", "  - name: dashboard", "    rules:"]
        for i, (_, expression) in enumerate(expressions()):
            expression = re.sub(r"\$__rate_interval", "1m", expression)
            rules += [f"      - record: dashboard:expression_{i}",
                      f"        expr: {json.dumps(expression)}"]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("\n".join(rules) + "\n")
            file.flush()
            done = promtool("check", "rules", file.name)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_panels_do_not_overlap(self):
        taken = set()
        for p in DASHBOARD["panels"]:
            at = p["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, p["title"])
            taken |= cells

    def test_the_variables_are_those_of_the_targets(self):
        names = [v["name"] for v in DASHBOARD["templating"]["list"]]
        self.assertEqual(names, ["datasource", "run", "role", "instance"])


if __name__ == "__main__":
    unittest.main()
