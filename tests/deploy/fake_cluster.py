"""What Kubernetes does for a run, on one machine: Pods of the rendered JobSet in
network namespaces, DNS of the rendered Services, probes and policies."""

import http.client
import json
import pathlib
import subprocess
import sys
import time

import namespaces
import pod_sandbox
from policy_rules import Peer, ruleset

HERE = pathlib.Path(__file__).resolve().parent
DOMAIN = "svc.cluster.local"
KILL_SECONDS = 30
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


class Pod:
    """A namespace, and the container in it where there is one."""

    def __init__(self, role, name, namespace, labels):
        self.role, self.name, self.namespace = role, name, namespace
        self.labels = labels
        self.machine = namespaces.Machine()
        self.process = None
        self.container = None
        self.passed = {}  # probe -> whether its last try passed
        self.failures = 0  # of the liveness probe, one after the other

    def peer(self):
        return Peer(self.namespace, tuple(self.labels.items()),
                    self.machine.address)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """All of it at once, as a node's death does."""
        self.machine.kill_all()
        self.process.wait(timeout=KILL_SECONDS)

    def probe(self, kind):
        """Asks as kubelet does: path and named port of the container."""
        get = self.container[kind]["httpGet"]
        port = {p["name"]: p["containerPort"]
                for p in self.container["ports"]}[get["port"]]
        seconds = self.container[kind].get("timeoutSeconds", 1)
        try:
            return 200 <= self.ask(port, get["path"], seconds)[0] < 400
        except OSError:
            return False

    def ask(self, port, path, seconds):
        caller = http.client.HTTPConnection(self.machine.address, port,
                                            timeout=seconds)
        try:
            caller.request("GET", path)
            answer = caller.getresponse()
            return answer.status, answer.read().decode()
        finally:
            caller.close()


class Cluster:
    """objects: what `kubectl apply` would be given; folder: for its files, with
    certs/ of `operant certs create`."""

    def __init__(self, objects, operant, folder):
        self.folder = folder
        self.faults = []
        self.pods = {}
        self.next_probe = 0
        self.policies = [o for o in objects if o["kind"] == "NetworkPolicy"]
        self.services = [o for o in objects if o["kind"] == "Service"]
        jobset = next(o for o in objects if o["kind"] == "JobSet")
        self.run = jobset["metadata"]["name"]
        self.namespace = jobset["metadata"]["namespace"]
        self.jobs = {j["name"]: j["template"]["spec"]
                     for j in jobset["spec"]["replicatedJobs"]}
        self.objects = {
            **pod_sandbox.config_maps(objects),
            **pod_sandbox.secrets_of(folder / "certs", f"{self.run}-tls",
                                     self.jobs)}
        self.image = pod_sandbox.unpack_image(operant, folder / "image")
        self.start_servers()

    def start_servers(self):
        """DNS, and the place that Prometheus would scrape from."""
        self.zone = self.folder / "zone.json"
        self.zone.write_text("{}")
        self.dns = Pod("dns", "kube-dns", "kube-system",
                       {"k8s-app": "kube-dns"})
        self.dns.process = subprocess.Popen(self.dns.machine.within(
            sys.executable, str(HERE / "name_server.py"),
            self.dns.machine.address, str(self.zone)))
        self.monitoring = Pod("monitoring", "prometheus", "monitoring", {})

    def start_all(self):
        for role, job in self.jobs.items():
            for index in range(job["completions"]):
                self.start(role, index)

    def start(self, role, index):
        """A new Pod, in a new namespace with a new address."""
        template = self.jobs[role]["template"]
        name = f"{self.run}-{role}-0-{index}"
        pod = Pod(role, name, self.namespace, {
            **template["metadata"]["labels"],
            "batch.kubernetes.io/job-completion-index": str(index)})
        self.pods[role, index] = pod
        self.sync()
        pod.container = template["spec"]["containers"][0]
        fields = {"status.podIP": pod.machine.address, "metadata.name": name}
        command = pod_sandbox.sandbox(
            template["spec"], pod.container, fields, self.image,
            self.folder / name, self.objects, self.etc(pod))
        with open(self.log(role, index), "a") as log:
            pod.process = subprocess.Popen(pod.machine.within(*command),
                                           stdout=log, stderr=log)

    def log(self, role, index):
        return self.folder / f"{role}-{index}.log"

    def etc(self, pod):
        search = f"{self.namespace}.{DOMAIN} {DOMAIN} cluster.local"
        return {"resolv.conf": f"nameserver {self.dns.machine.address}\n"
                               f"search {search}\noptions ndots:5\n",
                "hosts": "127.0.0.1 localhost\n"
                         f"{pod.machine.address} {pod.name}\n",
                "hostname": f"{pod.name}\n"}

    def lose(self, role, index):
        """As when its node dies: nobody says goodbye."""
        pod = self.pods.pop((role, index))
        pod.machine.unplug()
        pod.kill()
        pod.machine.remove()
        self.sync()

    def running(self):
        return [p for p in self.pods.values() if p.alive()] + [self.monitoring]

    def sync(self):
        """What controllers do when a Pod comes or goes: policies and names."""
        peers = [p.peer() for p in
                 (*self.pods.values(), self.dns, self.monitoring)]
        for pod in (*self.pods.values(), self.monitoring, self.dns):
            pod.machine.inside("nft", "-f", "-", text=ruleset(
                self.policies, pod.peer(), peers, namespaces.NODE))
        self.name_all()

    def without_policies(self):
        for pod in (*self.pods.values(), self.monitoring):
            pod.machine.inside("nft", "flush", "ruleset")

    def name_all(self):
        names = {}
        for service in self.services:
            spec = service["spec"]
            full = f"{service['metadata']['name']}.{self.namespace}.{DOMAIN}"
            names[full] = [
                pod.machine.address for pod in self.pods.values()
                if pod.peer().has({"matchLabels": spec["selector"]})
                and (spec.get("publishNotReadyAddresses")
                     or pod.passed.get("readinessProbe"))]
        for pod in self.pods.values():  # JobSet's names of Pods
            full = f"{pod.name}.{self.run}.{self.namespace}.{DOMAIN}"
            names[full] = [pod.machine.address]
        staged = self.zone.with_suffix(".new")
        staged.write_text(json.dumps(names))
        staged.rename(self.zone)

    def tend(self):
        """Probes, once a second; a live container that stops being so, or one
        that ends as it should not, is a fault."""
        if time.monotonic() < self.next_probe:
            return
        self.next_probe = time.monotonic() + 1
        for (role, index), pod in self.pods.items():
            code = pod.process.poll()
            if code is None:
                self.probe(pod)
            elif code:
                fault = f"{role} {index}: exit code {code}"
                if not any(f.startswith(fault) for f in self.faults):
                    self.faults.append(
                        f"{fault}; "
                        f"{pod_sandbox.last_lines(self.log(role, index))}")
        self.name_all()

    def probe(self, pod):
        for kind in PROBES:
            if kind != "startupProbe" and not pod.passed.get("startupProbe"):
                return
            if kind == "startupProbe" and pod.passed.get(kind):
                continue
            pod.passed[kind] = pod.probe(kind)
        pod.failures = 0 if pod.passed["livenessProbe"] else pod.failures + 1
        limit = pod.container["livenessProbe"]["failureThreshold"]
        if pod.failures == limit and pod.alive():
            self.faults.append(f"{pod.name}: not live {limit} times in a row")

    def all_ready(self):
        return all(p.passed.get(kind) for p in self.pods.values()
                   for kind in PROBES)

    def samples(self, role, index):
        """Responses of one worker, as Prometheus would read it: from its own
        namespace, over the policies' edge."""
        pod = self.pods[role, index]
        port = {p["name"]: p["containerPort"]
                for p in pod.container["ports"]}["http"]
        text = self.monitoring.machine.inside(
            sys.executable, "-c", "import sys, urllib.request; sys.stdout.write("
            "urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())",
            f"http://{pod.machine.address}:{port}/metrics")
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith("operant_rollout_sequences_total"))

    def code(self, role, index):
        return self.pods[role, index].process.poll()

    def said(self):
        return "; ".join(f"{role} {index}: "
                         f"{pod_sandbox.last_lines(self.log(role, index), 4)}"
                         for role, index in self.pods)

    def stop(self):
        for pod in (*self.pods.values(), self.dns):
            pod.kill()
