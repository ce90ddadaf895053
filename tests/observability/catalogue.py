"""What the tests of this folder share: the catalogue and promtool."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "common/base/generate_metrics.py"
# Labels that the scraper adds (docs/howto/prometheus.md).
TARGET_LABELS = {"run", "role", "instance", "job"}


def generate(*arguments):
    return subprocess.run([sys.executable, GENERATOR, *arguments],
                          capture_output=True, text=True, timeout=30)


def metric_list():
    """{sample name: its label names}."""
    return json.loads(generate("list").stdout)


def promtool(*arguments, stdin=None):
    """Runs promtool; skips the test, loudly, where it is not installed."""
    if shutil.which("promtool") is None:
        print("SKIPPED: promtool is missing; apt-get install prometheus")
        raise unittest.SkipTest("promtool is missing")
    return subprocess.run(["promtool", *arguments], input=stdin, text=True,
                          capture_output=True, timeout=50, cwd=ROOT)


def expression_faults(expression, metrics, recorded):
    """What an expression uses that nobody exports or records."""
    text = re.sub(r"\$__\w+|\$\w+", "1", expression)
    quoted = re.sub(r'"[^"]*"', '""', text)
    labels = {label for names in metrics.values() for label in names}
    for name in re.findall(r"(?<![\w:.$])[a-zA-Z_][\w:]*", quoted):
        if ":" in name and name not in recorded:
            yield f"{name} is recorded by no rule"
        elif re.match(r"(operant|grpc|process)_", name) and (
                name not in metrics and name not in labels):
            yield f"{name} is not in metrics.toml"
    for name, selector in re.findall(r"([a-z]\w*)\{([^}]*)\}", quoted):
        if name not in metrics:
            continue
        known = set(metrics[name]) | TARGET_LABELS
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            if label not in known:
                yield f"{name} has no label {label}"

