"""A run under mutual TLS, every hop of it: who has no business there is refused
on each port, new certificates are put in place while it trains, and a model is
scored over the same connections.

    tls_test.py OPERANT

`operant certs` makes the certificates, `operant train` starts reward server,
learner and worker with them; curl is the stranger who calls.
"""

import hashlib
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/watch"))
import tiny_model  # noqa: E402
from run import Run, samples  # noqa: E402

DEADLINE_SECONDS = 60
OK, UNAUTHENTICATED, PERMISSION_DENIED = "0", "16", "7"
CURL_STREAM_ERROR = 92
# Of each port: a method, who may call it, and somebody who may not.
PORTS = {
    "learner": ("CoordinatorService/Heartbeat", "rollout", "operator"),
    "rollout-0": ("RolloutService/GetStatus", "operator", "rollout"),
    "reward": ("RewardService/GetInfo", "operator", "rollout"),
}


class Certificates:
    """A folder as `operant certs` writes it."""

    def __init__(self, operant, folder):
        self.operant, self.folder = operant, folder
        self.certs("create", folder)

    def certs(self, *arguments):
        subprocess.run([self.operant, "certs", *arguments, "--run", "run"],
                       check=True, stdout=subprocess.DEVNULL, timeout=30)

    def renew(self, role):
        self.certs("issue", self.folder, role)

    def leaf(self, role):
        return self.folder / f"{role}.pem"

    def fingerprint(self, role):
        pem = self.leaf(role).read_text()
        return sha256(ssl.PEM_cert_to_DER_cert(
            pem[pem.index("-----BEGIN CERTIFICATE"):]))


def sha256(der):
    return hashlib.sha256(der).hexdigest()


def call(address, method, options, scheme="https"):
    """grpc-status of an empty request; None if no answer came."""
    for _ in range(20):
        done = subprocess.run(
            ["curl", "--silent", "--insecure", "--max-time", "10",
             "--dump-header", "-", "--output", "/dev/null",
             "--header", "content-type: application/grpc", "--header",
             "te: trailers", "--data-binary", "@-", *options,
             f"{scheme}://{address}/operant.v1.{method}"],
            input=bytes(5), capture_output=True, timeout=20)
        status = re.search(rb"^grpc-status: (\d+)", done.stdout, re.M)
        # A server that answers early ends the stream; curl then loses the
        # answer at times, and says so.
        if status or done.returncode != CURL_STREAM_ERROR:
            return status and status[1].decode()
    return f"{method}: nothing but stream errors"


def shown(address, certificates):
    """Fingerprint of the certificate that a server shows."""
    context = ssl.create_default_context(cafile=certificates.folder / "ca.crt")
    context.check_hostname = False
    context.load_cert_chain(certificates.leaf("operator"))
    context.set_alpn_protocols(["h2"])
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), 5) as raw, \
            context.wrap_socket(raw, server_hostname=host) as peer:
        return sha256(peer.getpeercert(binary_form=True))


def check_port(role, address, mine, strangers, token, report):
    method, caller, other = PORTS[role]
    bearer = [] if role == "reward" else [
        "--header", f"authorization: Bearer {token}"]

    def by(certificates, who):
        return ["--cert", certificates.leaf(who), *bearer]

    allowed = call(address, method, by(mine, caller))
    report(f"{role}: {caller} is let through",
           allowed not in (None, UNAUTHENTICATED, PERMISSION_DENIED), allowed)
    refused = {
        "in plaintext": call(address, method,
                             ["--http2-prior-knowledge", *bearer], "http"),
        "without a certificate": call(address, method, bearer),
        "with a certificate of another CA": call(address, method,
                                                 by(strangers, caller)),
    }
    for who, status in refused.items():
        report(f"{role}: a call {who} gets no answer", status is None, status)
    denied = call(address, method, by(mine, other))
    report(f"{role}: {other} is denied", denied == PERMISSION_DENIED, denied)
    if bearer:
        status = call(address, method, ["--cert", mine.leaf(caller)])
        report(f"{role}: {caller} without the token is denied",
               status == UNAUTHENTICATED, status)


def failed_calls(run):
    """Calls of the run's own processes that failed, by role and method."""
    failed = {}
    for role in run.roles():
        for (name, labels), value in samples(run.page(role)).items():
            labels = dict(labels)
            if name == "grpc_client_handled_total" and value and \
                    labels["grpc_code"] != "OK":
                failed[f"{role} {labels['grpc_method']} "
                       f"{labels['grpc_code']}"] = value
    return failed


def rotate(run, mine, report):
    """New leaves for everybody while the run trains: no call fails."""
    before = failed_calls(run)
    for role in ("learner", "rollout", "reward", "operator"):
        mine.renew(role)
    waiting = {role: run.announced(role)["address"] for role in PORTS}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while waiting and time.monotonic() < deadline:
        waiting = {role: address for role, address in waiting.items()
                   if shown(address, mine) != mine.fingerprint(
                       role.split("-")[0])}
        time.sleep(0.1)
    report("every port shows its new certificate", not waiting, waiting)
    run.wait_steps(len(run.rows()) + 3, DEADLINE_SECONDS)
    lost = {call: count for call, count in failed_calls(run).items()
            if count != before.get(call)}
    report("no call failed meanwhile", not lost, lost)


def check_contract(operant, mine, address, report):
    done = subprocess.run(
        [operant, "reward", "check", address, "--certs", mine.folder,
         "--load-seconds", "0"], capture_output=True, text=True,
        timeout=DEADLINE_SECONDS)
    report("operant reward check asks as an operator", done.returncode == 0,
           done.stdout + done.stderr)


def evaluate(operant, base, folder, address, settings):
    return subprocess.run(
        [operant, "eval", "-c", ROOT / "deploy/configs/demo.yaml",
         f"run.root={folder}", "run.name=run", *base,
         f"data.eval_prompts={folder}/model/prompts.jsonl",
         "eval.final_samples=100", "rollout.max_response_tokens=16",
         "reward.unavailable_wait_ms=500",
         f"reward.endpoints=[{{name: mine, address: '{address}'}}]",
         *settings], cwd=ROOT, capture_output=True, text=True,
        timeout=DEADLINE_SECONDS)


def check_eval(operant, base, folder, address, security, report):
    done = evaluate(operant, base, folder, address, security)
    responses = json.loads(done.stdout)["responses"] if not done.returncode \
        else done.stderr[-500:]
    report("operant eval has its responses scored over TLS",
           responses == 100, responses)
    done = evaluate(operant, base, folder, address, [])
    report("operant eval without certificates is refused",
           done.returncode == 69, done.returncode)


def main():
    operant = pathlib.Path(sys.argv[1]).resolve()
    if shutil.which("curl") is None:
        sys.exit("curl is missing, which calls each port: apt-get install curl")
    failed = 0

    def report(claim, holds, seen):
        nonlocal failed
        failed += not holds
        print("ok  " if holds else "FAIL", claim, "" if holds else f": {seen}",
              flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        base = tiny_model.make(operant, folder / "model")
        mine = Certificates(operant, folder / "certs")
        strangers = Certificates(operant, folder / "strangers")
        subprocess.run([operant, "certs", "token", folder / "token"],
                       check=True, stdout=subprocess.DEVNULL)
        token = (folder / "token").read_text().strip()
        security = [f"security.certs={mine.folder}",
                    f"security.token_file={folder}/token",
                    "security.reload_seconds=1"]
        with Run(operant, base, folder / "live",
                 ["rollout.workers=1", *security]) as run:
            run.wait_steps(2)
            addresses = {r: run.announced(r)["address"] for r in PORTS}
            for role, address in addresses.items():
                check_port(role, address, mine, strangers, token, report)
            rotate(run, mine, report)
            check_contract(operant, mine, addresses["reward"], report)
            check_eval(operant, base, folder, addresses["reward"], security,
                       report)
            code = run.stop()
            report("the run ends as Ctrl-C asks", code == 130, run.tail())
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
