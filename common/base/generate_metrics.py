#!/usr/bin/env python3
"""Writes everything that follows from the metrics catalogue, metrics.toml.

  generate_metrics.py cpp FOLDER    metric_families.h, metric_registration.cc
  generate_metrics.py docs          docs/metrics.md, to standard output
  generate_metrics.py list          every exported sample name with its labels,
                                    as JSON: what rules and dashboards may use
  generate_metrics.py fixture       one sample of each family in the exposition
                                    format, for `promtool check metrics`

A catalogue that breaks a rule ends with exit code 65 and a line for each fault.
"""

import itertools
import json
import os
import re
import sys
import tomllib

CATALOGUE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                         "metrics.toml")
TYPES = ("counter", "gauge", "histogram")
ROLES = ("any", "learner", "rollout", "reward")
KEYS = {"type", "help", "role", "when", "labels", "buckets", "equals"}
NAME = re.compile(r"(operant|grpc|process)_[a-z][a-z0-9_]*$")
# "last KEY" of the newest row of metrics.jsonl that has it, "sum KEY" over its
# rows, "count KEY": rows that have it.
FIGURE = re.compile(r"(last|sum|count) [a-z0-9_]+$")


class Family:
    """One [table] of the catalogue."""

    def __init__(self, name, table):
        self.name = name
        self.type = table.get("type", "")
        self.help = " ".join(table.get("help", "").split())
        self.role = table.get("role", "")
        self.when = table.get("when", "always")
        # Label name to its values, or to words that say what bounds them.
        self.labels = table.get("labels", {})
        self.buckets = table.get("buckets")
        equals = table.get("equals", {})
        # "label=value,..." to a figure of metrics.jsonl.
        self.equals = {"": equals} if isinstance(equals, str) else equals
        self.unknown = sorted(set(table) - KEYS)

    def closed(self):
        """Whether every label has a fixed set of values."""
        return all(isinstance(v, list) for v in self.labels.values())

    def combinations(self):
        """Label values of every sample; one stand-in where they are open."""
        values = [v if isinstance(v, list) else ["example"]
                  for v in self.labels.values()]
        return itertools.product(*values)

    def bounds(self):
        """Upper bounds of a histogram's buckets."""
        if isinstance(self.buckets, list):
            return [float(b) for b in self.buckets]
        b = self.buckets
        return [b["start"] * b["factor"]**i for i in range(b["count"])]

    def constant(self):
        words = self.name.removeprefix("operant_").split("_")
        return "k" + "".join(word.capitalize() for word in words)


def load(path=CATALOGUE):
    """(families, {condition: words}); ends the program on faults."""
    with open(path, "rb") as file:
        try:
            document = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            sys.exit(fail([f"not TOML: {error}"], path))
    when = document.pop("when", {})
    families = [Family(name, table) for name, table in document.items()]
    faults = [fault for f in families for fault in check(f, when)]
    if faults:
        sys.exit(fail(faults, path))
    return families, when


def fail(faults, path):
    for fault in faults:
        print(f"{path}: {fault}", file=sys.stderr)
    return 65


def check(f, when):
    """Faults of one entry, each `name: field=value, expected ...`."""

    def fault(field, value, expected):
        return f"{f.name}: {field}={value!r}, expected {expected}"

    if f.unknown:
        yield fault("key", f.unknown[0], "one of " + ", ".join(sorted(KEYS)))
    if not NAME.match(f.name):
        yield fault("name", f.name, "operant_<component>_<thing>_<unit>")
    if f.type not in TYPES:
        yield fault("type", f.type, " or ".join(TYPES))
    if len(f.help) < 10 or not f.help.endswith("."):
        yield fault("help", f.help, "a sentence that says what is counted")
    if f.role not in ROLES:
        yield fault("role", f.role, " or ".join(ROLES))
    if f.when not in when:
        yield fault("when", f.when, "a key of [when]")
    if (f.type == "counter") != f.name.endswith("_total"):
        yield fault("type", f.type, "a counter, and only it, to end in _total")
    if (f.type == "histogram") != (f.buckets is not None):
        yield fault("buckets", f.buckets, "them for a histogram, and only it")
    for label, values in f.labels.items():
        if not re.match(r"[a-z][a-z_]*$", label) or label in ("le", "run"):
            yield fault("label", label, "snake_case, not le and not run")
        if not values:
            yield fault(label, values, "its values, or what bounds them")
    for labels, figure in f.equals.items():
        if not FIGURE.match(figure):
            yield fault("equals", figure, "last, sum or count, and a figure")
        pairs = [pair.split("=")[0] for pair in labels.split(",") if pair]
        if pairs != list(f.labels):
            yield fault("equals", labels, "a value for each label, in order")


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def cpp_header(families):
    yield "// Generated from common/base/metrics.toml."
    yield "#ifndef OPERANT_COMMON_BASE_METRIC_FAMILIES_H_"
    yield "#define OPERANT_COMMON_BASE_METRIC_FAMILIES_H_"
    yield '#include "common/base/metric_family.h"'
    yield "namespace operant::metric {"
    for f in families:
        labels = ", ".join(quote(label) for label in f.labels)
        kind = f"{f.type.capitalize()}Family<{len(f.labels)}>"
        buckets = ""
        if f.type == "histogram":
            bounds = ", ".join(repr(b) for b in f.bounds())
            yield f"inline constexpr double {f.constant()}Bounds[] = {{{bounds}}};"
            buckets = f", {f.constant()}Bounds"
        yield (f"inline constexpr {kind} {f.constant()}"
               f"{{{quote(f.name)}, {quote(f.help)}, {{{labels}}}{buckets}}};")
    yield "}  // namespace operant::metric"
    yield "#endif  // OPERANT_COMMON_BASE_METRIC_FAMILIES_H_"


def starts_at_zero(f):
    """Whether its samples exist from the start: a counter that appears with
    its first event has no increase() then."""
    return f.when == "always" and f.closed() and f.name.startswith("operant_")


def cpp_registration(families):
    yield "// Generated from common/base/metrics.toml."
    yield '#include "common/base/metric_registration.h"'
    yield '#include "common/base/metric_families.h"'
    yield "namespace operant {"
    yield ("void RegisterMetrics(MetricRole role, double now, "
           "MetricRegistry* registry) {")
    for role in ROLES:
        if role != "any":
            yield f"if (role == MetricRole::k{role.capitalize()}) {{"
        for f in families:
            if f.role == role and starts_at_zero(f):
                yield from cpp_samples(f)
        if role != "any":
            yield "}"
    yield "static_cast<void>(now);"
    yield "static_cast<void>(role);"
    yield "}"
    yield "}  // namespace operant"


def cpp_samples(f):
    timestamp = f.type == "gauge" and f.name.endswith("_timestamp_seconds")
    for values in f.combinations():
        labels = ", {" + ", ".join(map(quote, values)) + "}" if values else ""
        get = f"registry->Get(metric::{f.constant()}{labels})"
        yield f"{get}.Set(now);" if timestamp else f"{get};"


def sample_names(f):
    if f.type != "histogram":
        return [f.name]
    return [f.name + suffix for suffix in ("_bucket", "_sum", "_count")]


def metric_list(families):
    return {
        name: sorted(f.labels) + (["le"] if name.endswith("_bucket") else [])
        for f in families for name in sample_names(f)
    }


def fixture(families):
    for f in families:
        yield f"# HELP {f.name} {f.help}"
        yield f"# TYPE {f.name} {f.type}"
        for values in f.combinations():
            pairs = [f'{k}="{v}"' for k, v in zip(f.labels, values)]
            yield from fixture_samples(f, pairs)


def fixture_samples(f, pairs):
    braces = "{" + ",".join(pairs) + "}" if pairs else ""
    if f.type != "histogram":
        yield f"{f.name}{braces} 1"
        return
    for bound in [f"{b:g}" for b in f.bounds()] + ["+Inf"]:
        le = ",".join(pairs + [f'le="{bound}"'])
        yield f"{f.name}_bucket{{{le}}} 1"
    yield f"{f.name}_sum{braces} 1"
    yield f"{f.name}_count{braces} 1"


DOCS_HEAD = """# Metrics

Every process serves these at `/metrics` of its HTTP port. `run` and `role` are
labels of the target, not of the samples ([howto/prometheus.md](howto/prometheus.md)).
*Present* says when a family is exported; before that it is absent, never a
stand-in. *Equals* names the figure of the run's `metrics.jsonl` that a sample
agrees with, which `make watch-check` verifies on a real run.

Generated from `common/base/metrics.toml` (`common/base/generate_metrics.py
docs > docs/metrics.md`).
"""
ROLE_TITLES = {
    "any": "Every process",
    "learner": "Learner",
    "rollout": "Rollout worker",
    "reward": "Reward server",
}


def docs(families, when):
    yield DOCS_HEAD
    yield "| *Present* | meaning |"
    yield "|---|---|"
    for key, words in when.items():
        yield f"| {key} | {words} |"
    for role, title in ROLE_TITLES.items():
        yield f"\n## {title}\n"
        yield "| family | type | labels | help | present | equals |"
        yield "|---|---|---|---|---|---|"
        for f in families:
            if f.role == role:
                yield docs_row(f)


def docs_row(f):
    labels = "; ".join(
        f"`{k}`: " + (", ".join(v) if isinstance(v, list) else v)
        for k, v in f.labels.items())
    equals = "; ".join((f"`{labels}` " if labels else "") + f"`{figure}`"
                       for labels, figure in f.equals.items())
    return (f"| `{f.name}` | {f.type} | {labels} | {f.help} | {f.when} "
            f"| {equals} |")


def write(folder, name, lines):
    """Leaves a file alone that says this already: half the tree includes it."""
    path, text = os.path.join(folder, name), "\n".join(lines) + "\n"
    if os.path.exists(path):
        with open(path) as file:
            if file.read() == text:
                return
    with open(path, "w") as file:
        file.write(text)


def main(arguments):
    match arguments:
        case ["cpp", folder]:
            families, _ = load()
            write(folder, "metric_families.h", cpp_header(families))
            write(folder, "metric_registration.cc", cpp_registration(families))
        case ["docs"]:
            print("\n".join(docs(*load())))
        case ["list"]:
            print(json.dumps(metric_list(load()[0]), indent=1))
        case ["fixture"]:
            print("\n".join(fixture(load()[0])))
        case ["check", path]:
            load(path)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
