#!/usr/bin/env python3
"""Proves the checkers: each patch of planted/ puts one bug into a copy of the
control plane, which the simulated clusters must then find, and each one of
tests/chaos/crash/planted/ one into what makes a run durable, which the crash
states must find.

  planted_bugs.py --build-dir build/release [--only N] [--clusters 300]
      [--states 400]

Only the files that a patch touches, or that include a header it touches, are
compiled again, with the build's own commands; they are linked before the
libraries that hold the originals. Prints one JSON object; exits with 1 if a bug
was not found, or if the unchanged control plane was found guilty.
"""
import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Folder of patches -> the program that must find them.
PLANTED = {"tests/simulation/planted": "simulate",
           "tests/chaos/crash/planted": "crash_states"}
SOURCES = ["learner", "tests/simulation"]


def compile_commands(build):
    """Path below the root -> argument list that compiles it."""
    entries = json.loads((build / "compile_commands.json").read_text())
    commands = {}
    for entry in entries:
        path = pathlib.Path(entry["file"])
        if path.is_relative_to(ROOT):
            commands[str(path.relative_to(ROOT))] = (
                shlex.split(entry["command"]), entry["directory"])
    return commands


def including(headers, pattern):
    """Files of SOURCES that include one of `headers`."""
    return {str(path.relative_to(ROOT))
            for folder in SOURCES for path in (ROOT / folder).glob(pattern)
            if any(f'#include "{h}"' in path.read_text() for h in headers)}


def affected(touched, build, target):
    """Sources of `target` to compile again: touched ones, and users of touched
    headers, also by way of other headers."""
    headers = {f for f in touched if f.endswith(".h")}
    while more := including(headers, "*.h") - headers:
        headers |= more
    needed = subprocess.run(
        ["ninja", "-C", str(build), "-t", "inputs", target],
        check=True, capture_output=True, text=True).stdout
    users = {source for source in including(headers, "*.cc")
             if source in needed}
    return sorted(users | {f for f in touched if f.endswith(".cc")})


def copy_and_patch(patch, scratch):
    touched = re.findall(r"^--- a/(\S+)", patch.read_text(), re.M)
    for name in touched:
        target = scratch / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    subprocess.run(["patch", "-p1", "--fuzz=0", "-s", "-i", str(patch)],
                   cwd=scratch, check=True)
    return touched


def compile_one(source, scratch, commands):
    command, folder = commands[source]
    patched = scratch / source
    out = scratch / (source.replace("/", "_") + ".o")
    arguments = []
    skip = False
    for argument in command:
        if skip:
            skip = False
        elif argument == "-o":
            skip = True
        elif argument == str(ROOT / source):
            continue
        else:
            arguments.append(argument)
    # Before the repository's root, so that patched headers are found first.
    arguments[arguments.index("-c"):arguments.index("-c")] = []
    arguments = (arguments[:2] + [f"-I{scratch}", "-w"] + arguments[2:] +
                 ["-o", str(out),
                  str(patched if patched.exists() else ROOT / source)])
    subprocess.run(arguments, cwd=folder, check=True)
    return out


def link(build, target, objects, program):
    lines = subprocess.run(
        ["ninja", "-C", str(build), "-t", "commands", target],
        check=True, capture_output=True, text=True).stdout.splitlines()
    # ": && g++ ... -o tests/simulation/simulate ... && :"
    command = shlex.split(lines[-1].removeprefix(": && ").removesuffix(" && :"))
    at = command.index("-o")
    command[at + 1] = str(program)
    own = {o.name.removesuffix(".o").replace("tests_simulation_", "")
           for o in objects}
    kept = [a for a in command
            if not (a.endswith(".o") and pathlib.Path(a).name[:-2] in own)]
    first = kept.index("-o")
    kept[first:first] = [str(o) for o in objects]
    subprocess.run(kept, cwd=build, check=True)


def checker_of(patch, args):
    """The target that must find it, its arguments."""
    target = PLANTED[str(patch.parent.relative_to(ROOT))]
    return target, {
        "simulate": ["--clusters", str(args.clusters), "--until-violation"],
        "crash_states": ["--states", str(args.states)],
    }[target]


def first_violation(result):
    """What the checker said of it; None: it found nothing."""
    if result.returncode == 0:
        return None
    try:
        return json.loads(result.stdout.splitlines()[-1])["examples"][0]
    except (ValueError, LookupError, TypeError):
        return (result.stderr.splitlines() or ["it crashed"])[0]


def found(patch, build, commands, args):
    """The violation that gave the planted bug away, or None."""
    target, arguments = checker_of(patch, args)
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        touched = copy_and_patch(patch, scratch)
        objects = [compile_one(s, scratch, commands)
                   for s in affected(touched, build, target)]
        program = scratch / f"{target}_planted"
        link(build, target, objects, program)
        return first_violation(subprocess.run(
            [program, *arguments], capture_output=True, text=True,
            timeout=600))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--only", type=int, default=0,
                        help="this many of the patches, spread evenly")
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--states", type=int, default=400)
    args = parser.parse_args()
    build = args.build_dir.resolve()
    commands = compile_commands(build)
    patches = [patch for folder in PLANTED
               for patch in sorted((ROOT / folder).glob("*.patch"))]
    if args.only:
        patches = patches[::max(1, len(patches) // args.only)][:args.only]
    caught = 0
    for patch in patches:
        violation = found(patch, build, commands, args)
        caught += violation is not None
        print(f"{patch.stem}: {violation or 'NOT FOUND'}", file=sys.stderr)
    print(json.dumps({"planted": len(patches), "caught": caught}))
    return 0 if caught == len(patches) else 1


if __name__ == "__main__":
    sys.exit(main())
