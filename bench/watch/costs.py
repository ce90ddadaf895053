#!/usr/bin/env python3
"""What being watched and secured costs a run (`make watch-costs`): CPU of
scrapes, hostile scrapers, mutual TLS. For a quiet machine.

    costs.py OPERANT [--only WORD] [--data DIR] [--model DIR]

Watches the demo's model, where `make demo` left it, else a tiny one, which says
little of throughput. Writes bench/out/watch_costs.json: rows {name, outcome:
passed|failed|skipped, reason}. Exits with 1 if a row failed. What TLS costs a
push of weights: make bench BENCH=push.
"""

import argparse
import pathlib
import sys
import tempfile

import scrape_cpu
import scrapers
import tiny_model
import tls_cost
from rows import Rows, demo_inputs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("operant", type=pathlib.Path)
    parser.add_argument("--only", default="", help="names that hold this word")
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    arguments = parser.parse_args()
    operant = arguments.operant.resolve()
    rows = Rows("watch_costs")
    with tempfile.TemporaryDirectory(prefix="watch-costs-") as temporary:
        work = pathlib.Path(temporary)
        base = demo_inputs(arguments.data, arguments.model)
        if base is None:
            print("the demo's model is not there (make demo): a tiny one is "
                  "watched")
            base = [*tiny_model.make(operant, work / "tiny"),
                    "rollout.max_response_tokens=16"]
        for part in (scrape_cpu, scrapers, tls_cost):
            if arguments.only in part.__name__:
                rows.attempt(part.__name__, part.check, operant, base,
                             work / part.__name__)
    sys.exit(rows.write())


if __name__ == "__main__":
    main()
