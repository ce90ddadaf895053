#!/usr/bin/env python3
"""Watches real runs with a real Prometheus (`make watch-check`).

    check.py OPERANT [--only WORD] [--data DIR] [--model DIR]

All durations of the shipped rules are divided by 30. A healthy run (of the
demo's model, where `make demo` left it) must fire no alert from start through
end; each planted fault must fire its own alert and no unrelated critical one. Writes bench/out/watch_check.json: rows {name, outcome:
passed|failed|skipped, reason}. Exits with 1 if a row failed.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

import faults
import healthy
import scrapers
import tiny_model
from prometheus import ROOT

OUT = ROOT / "bench/out/watch_check.json"
ROWS = []


def report(name, outcome, reason):
    if isinstance(outcome, bool):
        outcome = "passed" if outcome else "failed"
    ROWS.append({"name": name, "outcome": outcome, "reason": reason})
    print(f"{outcome:8}{name}: {reason}", flush=True)


def make_stubs(folder):
    """Python stubs of the contracts; None where protoc's plugin is missing."""
    plugin = shutil.which("grpc_python_plugin")
    folder.mkdir()
    if plugin is None:
        return None
    protos = sorted((ROOT / "proto/operant/v1").glob("*.proto"))
    subprocess.run(
        ["protoc", "-I", ROOT / "proto", f"--python_out={folder}",
         f"--grpc_python_out={folder}",
         f"--plugin=protoc-gen-grpc_python={plugin}", *protos], check=True)
    return folder


def demo_inputs(arguments):
    """Overrides that name the demo's model, if there is one."""
    data = arguments.data or ROOT / ".cache/demo/data"
    model = arguments.model or ROOT / ".cache/demo/model"
    if not (model / "config.json").exists():
        return None
    return [f"model.path={model}", f"data.prompts={data}/prompts.jsonl",
            f"reward.lexicon={data}/lexicon.txt"]


def check_fault(fault, operant, base, folder, stubs):
    name = fault.__name__.replace("_", " ")
    try:
        if stubs is None:
            raise faults.Skip("grpc_python_plugin is missing: apt-get install "
                              "protobuf-compiler-grpc")
        report(name, *fault(faults.Check(operant, base, folder, stubs)))
    except faults.Skip as reason:
        report(name, "skipped", str(reason))
    except Exception as error:  # a row for each fault, whatever happens
        traceback.print_exc()
        report(name, False, f"{type(error).__name__}: {error}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("operant", type=pathlib.Path)
    parser.add_argument("--only", default="", help="names that hold this word")
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    arguments = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    if shutil.which("prometheus") is None:
        report("prometheus is installed", "skipped",
               "apt-get install prometheus, then run this again")
        OUT.write_text(json.dumps(ROWS, indent=1) + "\n")
        return
    operant = arguments.operant.resolve()
    with tempfile.TemporaryDirectory(prefix="watch-check-") as temporary:
        work = pathlib.Path(temporary)
        tiny = tiny_model.make(operant, work / "tiny")
        base = demo_inputs(arguments) or tiny
        stubs = make_stubs(work / "stubs")
        for part in (healthy, scrapers):
            if arguments.only not in part.__name__:
                continue
            try:
                part.check(operant, base, work / part.__name__, report)
            except Exception as error:  # the other parts are run all the same
                traceback.print_exc()
                report(part.__name__, False, f"{type(error).__name__}: {error}")
        for fault in faults.FAULTS:
            if arguments.only in fault.__name__:
                check_fault(fault, operant, tiny, work / fault.__name__, stubs)
    OUT.write_text(json.dumps(ROWS, indent=1) + "\n")
    print(f"wrote {OUT.relative_to(ROOT)}")
    sys.exit(any(row["outcome"] == "failed" for row in ROWS))


if __name__ == "__main__":
    main()
