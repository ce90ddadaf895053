"""Runs every comparison with an independent implementation.

    python tests/oracle/run_oracles.py --build-dir build/release [NAME ...]

Each tests/oracle/*_oracle.py is a program that compares this build with
another implementation (transformers, tokenizers, TRL, NumPy) and exits with 0
only if they agree. None may be skipped: one that cannot run has failed.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
TIMEOUT_SECONDS = 3600


def environment():
    """Ours, with the stand-ins that let torch be imported without CUDA."""
    stubs = pathlib.Path(sys.prefix) / "stubs"
    paths = [str(stubs)] if stubs.is_dir() else []
    paths += filter(None, [os.environ.get("LD_LIBRARY_PATH")])
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(paths),
            "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
            "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}


def run(oracle, build_dir):
    """Runs one oracle; returns whether it agreed."""
    started = time.monotonic()
    print(f"== {oracle.stem}", flush=True)
    command = [sys.executable, str(oracle), "--build-dir", str(build_dir)]
    try:
        agreed = subprocess.run(
            command, cwd=FOLDER.parent.parent, env=environment(),
            timeout=TIMEOUT_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"no result after {TIMEOUT_SECONDS} s")
        agreed = False
    seconds = time.monotonic() - started
    print(f"== {oracle.stem}: {'agrees' if agreed else 'DIFFERS'} "
          f"({seconds:.0f} s)", flush=True)
    return agreed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="only oracles with one of these in their name")
    arguments = parser.parse_args()
    oracles = [
        path for path in sorted(FOLDER.glob("*_oracle.py"))
        if not arguments.names
        or any(name in path.stem for name in arguments.names)
    ]
    if not oracles:
        sys.exit("no oracle of that name")
    build_dir = arguments.build_dir.resolve()
    failed = [o.stem for o in oracles if not run(o, build_dir)]
    print(f"{len(oracles) - len(failed)} passed, {len(failed)} failed, 0 skipped")
    if failed:
        sys.exit("differs: " + ", ".join(failed))


if __name__ == "__main__":
    main()
