"""Runs the programs behind the rows of chaos.py."""
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
END_SECONDS = 30  # of a program that is out of time, to end its own processes


@dataclasses.dataclass
class Context:
    build: pathlib.Path
    seconds: float  # of this row
    seed: int


class Skipped(Exception):
    """Why a row could not be tried."""


def output_of(command, timeout):
    """(standard output, exit code). Out of time, the program may end what it
    started; whatever is left is killed."""
    if not pathlib.Path(command[0]).exists():
        raise Skipped(f"{command[0]} is not built")
    process = subprocess.Popen(
        [str(c) for c in command], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        end_group(process)
        raise Skipped(f"ran out of time: {timeout:.0f} s") from error
    sys.stderr.write(errors[-4000:])
    return output, process.returncode


def end_group(process):
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def last_json(command, context, timeout=None):
    """Runs `command`; its last line of output as JSON, its exit code."""
    output, code = output_of(command, timeout or 4 * context.seconds + 600)
    lines = output.strip().splitlines()
    if not lines:
        raise RuntimeError(f"{command[0]} said nothing, exit {code}")
    return json.loads(lines[-1]), code


def once(run):
    """`run` of a context, remembered with its exception: a bench that failed is
    not run again for each of its rows."""
    known = {}

    def remembered(context):
        if context.seed not in known:
            try:
                known[context.seed] = run(context), None
            except Exception as error:  # raised below, for each row
                known[context.seed] = None, error
        said, error = known[context.seed]
        if error is not None:
            raise error
        return said
    return remembered
