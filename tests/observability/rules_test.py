"""The rules use what is exported; each alert fires and stays quiet on time."""

import re
import unittest

from catalogue import ROOT, expression_faults, metric_list, promtool

RULES = ROOT / "deploy/prometheus/rules"
ALERTS = (RULES / "alerts.yaml").read_text()
RECORDING = (RULES / "recording.yaml").read_text()
TESTS = ROOT / "deploy/prometheus/tests/alerts_test.yaml"


def expressions(text):
    """The expr: of every rule, also those of several lines."""
    for match in re.finditer(r"^( +)(?:- )?expr: (.*(?:\n\1  .*)*)", text, re.M):
        yield re.sub(r"^[|>]-", "", match[2])


class RulesTest(unittest.TestCase):

    def test_every_rule_parses_and_lints(self):
        done = promtool("check", "rules", "--lint=all", "--lint-fatal",
                        *map(str, sorted(RULES.glob("*.yaml"))))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_shipped_configuration_is_valid(self):
        done = promtool("check", "config", "deploy/prometheus/prometheus.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_alert_fires_and_stays_quiet_where_it_should(self):
        done = promtool("test", "rules", str(TESTS))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        tests = TESTS.read_text()
        for alert in re.findall(r"- alert: (\w+)", ALERTS):
            self.assertIn(f"name: {alert} fires\n", tests)
            self.assertIn(f"name: {alert} stays quiet\n", tests)

    def test_every_expression_uses_what_is_exported_or_recorded(self):
        metrics = metric_list()
        recorded = set(re.findall(r"record: (\S+)", RECORDING))
        found = list(expressions(RECORDING + ALERTS))
        self.assertEqual(len(found), ALERTS.count("- alert: ") + len(recorded))
        for expression in found:
            faults = list(expression_faults(expression, metrics, recorded))
            self.assertEqual(faults, [], expression)

    def test_a_metric_that_nobody_exports_is_found(self):
        metrics, recorded = metric_list(), {"run:x:y"}
        for expression in ("rate(operant_learner_stepz_total[5m])", "run:x:z",
                           'operant_learner_loss{kin="policy"} > 1'):
            self.assertTrue(
                list(expression_faults(expression, metrics, recorded)))

    def test_every_alert_has_a_runbook_page(self):
        for alert in re.findall(r"- alert: (\w+)", ALERTS):
            page = ROOT / f"docs/runbooks/{alert}.md"
            self.assertIn(f"runbook_url: docs/runbooks/{alert}.md", ALERTS)
            self.assertTrue(page.exists(), page)
            text = page.read_text()
            for heading in ("## Meaning", "## Causes", "## What to do"):
                self.assertIn(heading, text, page)


if __name__ == "__main__":
    unittest.main()
