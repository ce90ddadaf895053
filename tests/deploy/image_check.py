"""Builds deploy/images/Dockerfile's CPU image with buildah on a base that
debootstrap makes, and trains in it as its user on a root nobody can write.

The program is the one that was built here: the stage that compiles it is what
`make build` does anyway. Everything else of the Dockerfile is done.
"""

import json
import pathlib
import subprocess
import sys

import pod_sandbox

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/watch"))
import tiny_model  # noqa: E402

TOOLS = {"buildah": "buildah", "debootstrap": "debootstrap",
         "bwrap": "bubblewrap"}
STEPS = 3
USER = "65532:65532"
BASE, IMAGE = "localhost/check-base", "localhost/check-operant"


def do(*command, timeout=300, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, timeout=timeout, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[:4]))} ...: "
                           f"{(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout.strip()


def release():
    """(code name, mirror) of this system's packages."""
    text = pathlib.Path("/etc/os-release").read_text()
    name = next(line.split("=")[1] for line in text.splitlines()
                if line.startswith("VERSION_CODENAME="))
    for line in do("apt-get", "indextargets", "--format",
                   "$(CODENAME) $(REPO_URI)", "Created-By: Packages"
                   ).splitlines():
        if line.split()[0] == name:
            return name, line.split()[1]
    raise RuntimeError(f"apt knows no source of {name}")


def base_archive():
    """A minimal system of this release, made once into .deps/."""
    name, mirror = release()
    archive = ROOT / f".deps/deploy-check/base-{name}.tar"
    if not archive.exists():
        staged = archive.with_suffix(".new")
        system = archive.with_suffix(".system")
        do("rm", "-rf", system)
        do("debootstrap", "--variant=minbase", name, system, mirror,
           timeout=900)
        do("tar", "-C", system, "-cf", staged, "--exclude=./var/cache/apt/*",
           "--exclude=./dev/*", ".")
        do("rm", "-rf", system)
        staged.rename(archive)
    return archive


class Store:
    """Images of this check alone, gone with its folder."""

    def __init__(self, folder):
        self.words = ["buildah", "--root", folder / "root", "--runroot",
                      folder / "runroot"]

    def do(self, *command, **options):
        return do(*self.words, *command, **options)

    def import_base(self, archive):
        container = self.do("from", "scratch")
        self.do("add", "--quiet", container, archive, "/")
        self.do("commit", "--quiet", "--rm", container, BASE)

    def build(self, built):
        """built: a folder with image/, what the compiling stage leaves."""
        self.do("build", "--isolation", "chroot", "--layers=false",
                "--build-arg", f"BASE={BASE}", "--build-context",
                f"build={built}", "--file", ROOT / "deploy/images/Dockerfile",
                "--tag", IMAGE, ROOT, timeout=900)


def sandbox(root, config, data, command):
    """`command` in the image at `root`: its user, environment, no network but
    loopback, /data to write to."""
    user, group = config["User"].split(":")
    words = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc",
             "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev",
             "--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777",
             "--tmpfs", "/dev/shm", "--bind", data, "/mnt", "--clearenv"]
    for entry in config["Env"]:
        words += ["--setenv", *entry.split("=", 1)]
    return words + ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}",
                    "--clear-groups", "--no-new-privs", "--bounding-set=-all",
                    "--inh-caps=-all", *command]


def check_ground(root, config, data):
    """User, root and libraries are what the Dockerfile promises."""
    faults = []
    if config["User"] != USER:
        faults.append(f"user {config['User']}")
    said = do(*sandbox(root, config, data, ["/bin/sh", "-c", (
        "id -u; touch /usr/local/x 2>&1; touch /etc/x 2>&1; "
        "ldd /usr/local/bin/operant")])).splitlines()
    if said[0] != USER.split(":", maxsplit=1)[0]:
        faults.append(f"runs as {said[0]}")
    if sum("Read-only file system" in line for line in said) != 2:
        faults.append(f"its root can be written: {said[1:3]}")
    faults += [f"library {line.strip()}" for line in said
               if "not found" in line]
    return faults


def check_training(root, config, data):
    done = subprocess.run(
        [str(w) for w in sandbox(root, config, data, [
            *config["Entrypoint"], "train", "run.root=/mnt/runs",
            "run.name=check", "model.path=/mnt/model",
            "data.prompts=/mnt/prompts.jsonl", "reward.scorer=length",
            f"learner.steps={STEPS}", "learner.prompts_per_step=8",
            "learner.samples_per_prompt=4", "learner.minibatch_samples=32",
            "rollout.workers=1", "rollout.max_response_tokens=12",
            "eval.final_samples=64"])],
        capture_output=True, text=True, timeout=300)
    lines = data / "runs/check/metrics.jsonl"
    steps = lines.read_text().count("\n") if lines.exists() else 0
    if done.returncode or steps != STEPS:
        return [f"train: exit code {done.returncode}, {steps} steps: "
                + (done.stdout + done.stderr)[-600:]]
    return []


def image(operant, folder):
    """The row of deploy_check. Faults."""
    built, data, store = (folder / n for n in ("built", "data", "images"))
    pod_sandbox.unpack_image(operant, built / "image")
    tiny_model.make(operant, data)
    do("chown", "-R", USER, data)
    images = Store(store)
    images.import_base(base_archive())
    images.build(built)
    config = json.loads(images.do("inspect", "--type", "image", IMAGE))[
        "OCIv1"]["config"]
    container = images.do("from", IMAGE)
    root = images.do("mount", container)
    try:
        return (check_ground(root, config, data)
                + check_training(root, config, data))
    finally:
        images.do("umount", container)
        images.do("rm", container)

