"""What a run must not go on from is refused, by name and with the next step, and
nothing durable is touched.

    bad_resume_test.py OPERANT

One short run is made; copies of it are damaged, each in one way, and resumed.
"""
import hashlib
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/watch"))
import tiny_model  # noqa: E402

STEPS, EVERY = 6, 2
DEADLINE_SECONDS = 120
SETTINGS = [
    "learner.prompts_per_step=8", "learner.samples_per_prompt=4",
    "learner.minibatch_samples=32", "rollout.workers=1", "rollout.slots=16",
    "rollout.max_response_tokens=12", f"checkpoint.every_steps={EVERY}",
    "data.eval_prompts=", "eval.every_steps=0", "learner.max_seconds=0",
    "ppo.train_fraction=1", "ppo.warmup_steps=0", "run.max_failures=2",
    "ppo.kl_target=6",
]


def command(operant, base, folder, *more):
    return [operant, "train", "-c", ROOT / "deploy/configs/demo.yaml",
            f"run.root={folder}", "run.name=run", *base, *SETTINGS,
            f"learner.steps={STEPS}", *more]


def resume(operant, base, folder, *more):
    """Exit code and what it said."""
    done = subprocess.run(
        command(operant, base, folder, "--resume", *more), cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=DEADLINE_SECONDS)
    logs = "".join(f.read_text(errors="replace")
                   for f in (folder / "run/logs").glob("*.log"))
    return done.returncode, done.stdout + logs


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def newest(folder):
    return folder / f"run/checkpoints/step_{STEPS}"


def truncated_ledger(folder):
    ledger = folder / "run/ledger.sqlite"
    ledger.write_bytes(ledger.read_bytes()[:5000])
    for suffix in ("-wal", "-shm"):
        pathlib.Path(f"{ledger}{suffix}").unlink(missing_ok=True)


def every_checkpoint_flipped(folder):
    for path in (folder / "run/checkpoints").glob("step_*/model.safetensors"):
        flip(path)


def checkpoints_gone(folder):
    for path in (folder / "run/checkpoints").glob("step_*"):
        shutil.rmtree(path)


def coefficient_that_cannot_be(folder):
    """As a build with a bug would have written it: digests fit."""
    change_state(folder, "kl_coefficient", -1)


def change_state(folder, key, value):
    path = newest(folder) / "trainer_state/state.json"
    state = json.loads(path.read_text())
    state[key] = value
    path.write_text(json.dumps(state))
    manifest = newest(folder) / "MANIFEST.json"
    files = json.loads(manifest.read_text())
    files["files"]["trainer_state/state.json"] = {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size}
    manifest.write_text(json.dumps(files))


def of_another_build(folder):
    """As a deterministic run of another build would have written it."""
    change_state(folder, "build", "another build")


# Damage, further settings, exit code, what is said. OTHER_MODEL: of another
# width.
OTHER_MODEL = "model.path={other}"
REFUSED = {
    "a truncated ledger": (truncated_ledger, [], 65, "ledger.sqlite"),
    "checkpoints of which none verifies": (
        every_checkpoint_flipped, [], 65, "model.safetensors does not match"),
    "checkpoints that are gone": (checkpoints_gone, [], 65,
                                  f"checkpoint step_{STEPS} was complete"),
    "a KL coefficient below 0": (coefficient_that_cannot_be, [], 78,
                                 "KL controller not restored"),
    "another number of ranks": (lambda folder: None, ["learner.ranks=2"], 78,
                                "ranks=1, this run has 2"),
    "another model": (lambda folder: None, [OTHER_MODEL], 78,
                      "trainer_state/state.json: model_digest="),
    "another build": (of_another_build, ["run.deterministic=true"], 78,
                      "build=another build, this run has"),
}


def durable(folder):
    """Digest of what a refusal must leave alone."""
    return {str(path.relative_to(folder)):
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((folder / "run/checkpoints").rglob("*"))
            if path.is_file() and path.name != ".reserved"}


def check_refusals(operant, base, made, top, report):
    tiny_model.make(operant, top / "other", hidden_size=16)
    for number, (what, row) in enumerate(REFUSED.items()):
        damage, settings, code, said = row
        folder = top / f"refused{number}"
        shutil.copytree(made, folder)
        damage(folder)
        before = durable(folder)
        exit_code, text = resume(operant, base, folder,
                                 f"learner.steps={STEPS + 2}",
                                 *(s.format(other=top / "other/model")
                                   for s in settings))
        report(f"{what}: refused with exit code {code}", exit_code == code,
               (exit_code, text[-600:]))
        report(f"{what}: says '{said}'", said in text, text[-600:])
        report(f"{what}: checkpoints are untouched",
               durable(folder) == before, "")


# $0: the folder; the rest: what is run with the folder read-only.
READ_ONLY = ('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && '
             'exec "$@"')


def namespace():
    """What lets this user mount; None where nothing does."""
    for prefix in (["unshare", "--mount"],
                   ["unshare", "--mount", "--map-root-user"]):
        done = subprocess.run([*prefix, "true"], capture_output=True)
        if done.returncode == 0:
            return prefix
    return None


def check_read_only(operant, base, made, top, report):
    prefix = namespace()
    if prefix is None:
        print("SKIPPED a read-only disk: this user may not mount", flush=True)
        return
    folder = top / "read_only"
    shutil.copytree(made, folder)
    before = durable(folder)
    for what, root in (("a run on", folder), ("a new run on", folder / "new")):
        done = subprocess.run(
            [*prefix, "sh", "-c", READ_ONLY, folder,
             *command(operant, base, root, "learner.steps=99"),
             *(["--resume"] if root == folder else [])], cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=DEADLINE_SECONDS)
        report(f"{what} a read-only disk: refused with exit code 78",
               done.returncode == 78, (done.returncode, done.stdout[-600:]))
        report(f"{what} a read-only disk: names path and setting",
               str(root) in done.stdout and "set run.root" in done.stdout,
               done.stdout[-600:])
    report("a read-only disk: checkpoints are untouched",
           durable(folder) == before, "")


def check_each_file(operant, base, made, top, report):
    """One flipped byte in any file: the checkpoint before is taken."""
    for number, path in enumerate(sorted(newest(made).rglob("*"))):
        if not path.is_file() or not path.stat().st_size:
            continue
        name = path.relative_to(newest(made))
        folder = top / f"flipped{number}"
        shutil.copytree(made, folder)
        flip(newest(folder) / name)
        code, text = resume(operant, base, folder)
        report(f"a byte of {name} flipped: falls back, loudly",
               code == 0 and "CHECKPOINT DOES NOT VERIFY" in text,
               (code, text[-600:]))
        shutil.rmtree(folder)


def check_second_run(operant, base, folder, report):
    first = subprocess.Popen(
        command(operant, base, folder, "learner.steps=1000000"), cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + DEADLINE_SECONDS
        while not (folder / "run/ledger.sqlite").exists():
            if time.monotonic() > end:
                raise RuntimeError("the first run did not start")
            time.sleep(0.1)
        code, text = resume(operant, base, folder)
        report("a second run on one directory: refused, the first one named",
               code == 78 and f"pid={first.pid}" in text, (code, text[-600:]))
        report("the first goes on", first.poll() is None, first.poll())
    finally:
        first.send_signal(signal.SIGTERM)
        first.wait(timeout=DEADLINE_SECONDS)


def main():
    operant = pathlib.Path(sys.argv[1]).resolve()
    failed = 0

    def report(claim, holds, seen):
        nonlocal failed
        failed += not holds
        print("ok  " if holds else "FAIL", claim, "" if holds else f": {seen}",
              flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        top = pathlib.Path(temporary)
        base = tiny_model.make(operant, top / "model")
        made = top / "made"
        made.mkdir()
        subprocess.run(command(operant, base, made), cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=DEADLINE_SECONDS)
        check_refusals(operant, base, made, top, report)
        check_read_only(operant, base, made, top, report)
        check_each_file(operant, base, made, top, report)
        check_second_run(operant, base, top / "second", report)
    print("all hold" if not failed else f"{failed} do not hold")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
