#!/usr/bin/env python3
"""Watches real runs with a real Prometheus (`make watch-check`).

    check.py OPERANT [--only WORD] [--data DIR] [--model DIR]

All durations of the shipped rules are divided by 30. A healthy run (of the
demo's model, where `make demo` left it) must fire no alert from start through
end; each planted fault must fire its own alert and no unrelated critical one.
Writes bench/out/watch_check.json: rows {name, outcome: passed|failed|skipped,
reason}. Exits with 1 if a row failed.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

import faults
import healthy
import tiny_model
from prometheus import ROOT
from rows import Rows, demo_inputs


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


def check_fault(fault, operant, base, folder, stubs, report):
    name = fault.__name__.replace("_", " ")
    try:
        if stubs is None:
            raise faults.Skip("grpc_python_plugin is missing: apt-get install "
                              "protobuf-compiler-grpc")
        report(name, *fault(faults.Check(operant, base, folder, stubs)))
    except faults.Skip as reason:
        report(name, "skipped", str(reason))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("operant", type=pathlib.Path)
    parser.add_argument("--only", default="", help="names that hold this word")
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = Rows("watch_check")
    if shutil.which("prometheus") is None:
        rows.report("prometheus is installed", "skipped",
                    "deploy/setup.sh --watch, then run this again")
        sys.exit(rows.write())
    operant = arguments.operant.resolve()
    with tempfile.TemporaryDirectory(prefix="watch-check-") as temporary:
        work = pathlib.Path(temporary)
        tiny = tiny_model.make(operant, work / "tiny")
        base = demo_inputs(arguments.data, arguments.model) or tiny
        stubs = make_stubs(work / "stubs")
        if arguments.only in healthy.__name__:
            rows.attempt(healthy.__name__, healthy.check, operant, base,
                         work / healthy.__name__)
        for fault in faults.FAULTS:
            if arguments.only in fault.__name__:
                rows.attempt(fault.__name__.replace("_", " "), check_fault,
                             fault, operant, tiny, work / fault.__name__,
                             stubs)
    sys.exit(rows.write())


if __name__ == "__main__":
    main()
