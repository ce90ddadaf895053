"""Reads what `operant deploy render` wrote for Kubernetes, and checks that it
holds together.

Each check takes the folder of a rendered run and returns a list of faults. They
need no cluster: what Kubernetes would only say when the run is started is
looked up in the files themselves.
"""

import functools
import re
import subprocess

import crd_fields
import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ROLES = ("learner", "rollout", "reward")
PORTS = {"learner": 7070, "rollout": 7071, "reward": 50061}
HTTP_PORT = 9464
PROBES = {"startupProbe": "/healthz/startup", "livenessProbe": "/healthz/live",
          "readinessProbe": "/healthz/ready"}
# Exit codes of design: the same again would fail again.
FINAL_CODES = [64, 65, 76, 78]
RESUMABLE_CODE = 75


@functools.cache
def parsed(text):
    """The documents of a text: most files are read by many checks."""
    return [d for d in yaml.load_all(text, LOADER) if d]


def load(path):
    return parsed(path.read_text())[0]


def documents(folder):
    """All Kubernetes objects of a rendered folder, without kustomizations."""
    objects = []
    for path in sorted(folder.rglob("*.yaml")):
        if path.name == "kustomization.yaml" or path.parent.name == "config":
            continue
        objects += parsed(path.read_text())
    return objects


def of_kind(folder, *kinds):
    return [d for d in documents(folder) if d.get("kind") in kinds]


def pods(folder):
    """(role, Pod template) of every workload."""
    found = []
    for jobset in of_kind(folder, "JobSet"):
        for job in jobset["spec"]["replicatedJobs"]:
            found.append((job["name"],
                          job["template"]["spec"]["template"]))
    for deployment in of_kind(folder, "Deployment"):
        template = deployment["spec"]["template"]
        found.append((template["metadata"]["labels"]["operant.dev/role"],
                      template))
    return found


def containers(folder):
    return [(role, container) for role, pod in pods(folder) if role in ROLES
            for container in pod["spec"]["containers"]]


def shape(folder):
    """Every object says what it is; names are DNS labels."""
    faults = []
    for d in documents(folder):
        name = d.get("metadata", {}).get("name", "")
        if not d.get("apiVersion") or not d.get("kind"):
            faults.append(f"{name or d}: no apiVersion or kind")
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            faults.append(f"{d.get('kind')}: name {name!r} is no DNS label")
    return faults


def crds(folder):
    """Fields of what is not Kubernetes' own."""
    return crd_fields.crd_fields(documents(folder))


def cross_refs(folder):
    """What one file names, another one has."""
    faults = []
    kustomization = load(folder / "base/kustomization.yaml")
    generated = {g["name"]: {f.split("/")[-1] for f in g["files"]}
                 for g in kustomization["configMapGenerator"]}
    for path in sorted(folder.rglob("kustomization.yaml")):
        listed = load(path)
        for entry in listed.get("resources", []) + listed.get("components", []):
            if not (path.parent / entry).exists():
                faults.append(f"{path}: resource {entry} is not there")
    claims = {d["metadata"]["name"]
              for d in of_kind(folder, "PersistentVolumeClaim")}
    certificates = {d["spec"]["secretName"]
                    for d in of_kind(folder, "Certificate")}
    run = jobset_name(folder)
    for role, pod in pods(folder):
        spec = pod["spec"]
        volumes = {v["name"]: v for v in spec.get("volumes", [])}
        for container in spec["containers"] + spec.get("initContainers", []):
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    faults.append(f"{role}: no volume {mount['name']}")
        for volume in volumes.values():
            if "configMap" in volume:
                keys = generated.get(volume["configMap"]["name"])
                if keys is None:
                    faults.append(f"{role}: no ConfigMap "
                                  f"{volume['configMap']['name']}")
                    continue
                for item in volume["configMap"]["items"]:
                    if item["key"] not in keys:
                        faults.append(f"{role}: no key {item['key']}")
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim.startswith(f"{run}-") and claim not in claims:
                faults.append(f"{role}: no claim {claim}")
            secret = volume.get("secret", {}).get("secretName")
            if secret and certificates and secret not in certificates:
                faults.append(f"{role}: nothing fills Secret {secret}")
        labels = pod["metadata"]["labels"]
        if role in ROLES and labels.get("operant.dev/role") != role:
            faults.append(f"{role}: labelled {labels}")
    faults += selectors(folder) + targets(folder)
    return faults


def jobset_name(folder):
    return of_kind(folder, "JobSet")[0]["metadata"]["name"]


def selectors(folder):
    """Services, budgets and monitors select Pods that exist, by their ports."""
    faults = []
    labels = [pod["metadata"]["labels"] for _, pod in pods(folder)]
    ports = {role: {p["name"]: p["containerPort"] for p in c["ports"]}
             for role, c in containers(folder)}

    def selected(selector):
        wanted = {k: v for k, v in selector.items()
                  if not k.startswith("batch.kubernetes.io/")}
        return [have for have in labels if wanted.items() <= have.items()]

    for d in of_kind(folder, "Service"):
        name, spec = d["metadata"]["name"], d["spec"]
        if spec.get("clusterIP") != "None":
            faults.append(f"Service {name} is not headless")
        pods_of = selected(spec["selector"])
        if not pods_of:
            faults.append(f"Service {name} selects no Pod")
        for port in spec["ports"]:
            for pod in pods_of:
                have = ports[pod["operant.dev/role"]]
                if have.get(port["targetPort"]) != port["port"]:
                    faults.append(f"Service {name}: port {port} is not "
                                  f"among {have}")
    for d in of_kind(folder, "PodDisruptionBudget", "PodMonitor"):
        if not selected(d["spec"]["selector"]["matchLabels"]):
            faults.append(f"{d['kind']} {d['metadata']['name']} selects no Pod")
    for d in of_kind(folder, "PodMonitor"):
        for endpoint in d["spec"]["podMetricsEndpoints"]:
            if any(endpoint["port"] not in have for have in ports.values()):
                faults.append(f"PodMonitor: no port {endpoint['port']}")
    return faults


def targets(folder):
    """What is scaled or waited for exists; each role's peer has its address."""
    faults = []
    names = {(d["kind"], d["metadata"]["name"]) for d in documents(folder)}
    for d in of_kind(folder, "HorizontalPodAutoscaler"):
        target = d["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) not in names:
            faults.append(f"HorizontalPodAutoscaler: no {target}")
    for d in of_kind(folder, "JobSet"):
        jobs = {job["name"] for job in d["spec"]["replicatedJobs"]}
        for job in d["spec"]["successPolicy"]["targetReplicatedJobs"]:
            if job not in jobs:
                faults.append(f"JobSet waits for {job}, which is none of {jobs}")
    for role, container in containers(folder):
        flags = dict(a.split("=", 1) for a in container["args"]
                     if a.startswith("--") and "=" in a)
        if not flags.get("--listen", "").endswith(f":{PORTS[role]}"):
            faults.append(f"{role} listens on {flags.get('--listen')}")
        coordinator = flags.get("--coordinator")
        if role == "rollout":
            host, _, port = (coordinator or "").partition(":")
            if ("Service", host) not in names or port != "7070":
                faults.append(f"rollout: no coordinator at {coordinator}")
    learner = load(folder / "base/config/learner.yaml")
    for endpoint in learner["reward"].get("endpoints", []):
        found = re.fullmatch(r"dns:///([-a-z0-9]+):(\d+)", endpoint["address"])
        if found and (("Service", found[1]) not in names
                      or int(found[2]) != PORTS["reward"]):
            faults.append(f"learner: no reward server at {endpoint['address']}")
    return faults


def probes(folder):
    """Probes ask the paths that answer, on the port that serves them."""
    faults = []
    for role, container in containers(folder):
        ports = {p["name"] for p in container["ports"]}
        for probe, path in PROBES.items():
            get = container.get(probe, {}).get("httpGet", {})
            if get.get("path") != path or get.get("port") not in ports:
                faults.append(f"{role}: {probe} asks {get}")
        http = [a for a in container["args"] if a.startswith("--http=")]
        if http != [f"--http=0.0.0.0:{HTTP_PORT}"]:
            faults.append(f"{role}: probes do not reach {http}")
    return faults


def security(folder):
    """The restricted Pod security standard, and a read-only root."""
    faults = []
    for role, pod in pods(folder):
        spec = pod["spec"]
        of_pod = spec.get("securityContext", {})
        if not of_pod.get("runAsNonRoot") or not of_pod.get("runAsUser"):
            faults.append(f"{role}: may run as root")
        if of_pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            faults.append(f"{role}: no seccomp profile")
        if spec.get("automountServiceAccountToken") is not False:
            faults.append(f"{role}: is given the cluster's token")
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(key):
                faults.append(f"{role}: {key}")
        for c in spec["containers"] + spec.get("initContainers", []):
            own = c.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False:
                faults.append(f"{role}: may gain privileges")
            if own.get("capabilities", {}).get("drop") != ["ALL"]:
                faults.append(f"{role}: keeps capabilities")
            if not own.get("readOnlyRootFilesystem"):
                faults.append(f"{role}: can write to its root")
            if c["image"].endswith(":latest") or ":" not in c["image"]:
                faults.append(f"{role}: image {c['image']} has no version")
            if "memory" not in c.get("resources", {}).get("limits", {}):
                faults.append(f"{role}: no memory limit")
    return faults


def exit_codes(folder):
    """Restarts follow the exit codes, and a restart resumes."""
    faults = []
    for jobset in of_kind(folder, "JobSet"):
        for job in jobset["spec"]["replicatedJobs"]:
            if job["name"] not in ROLES:
                continue
            actions = {}
            rules = job["template"]["spec"]["podFailurePolicy"]["rules"]
            for rule in rules:
                codes = rule.get("onExitCodes")
                if not codes:
                    continue
                actions.update({code: rule["action"]
                                for code in codes["values"]})
                if codes["containerName"] != job["name"]:
                    faults.append(f"{job['name']}: policy of "
                                  f"{codes['containerName']}")
            wanted = {code: "FailJob" for code in FINAL_CODES}
            wanted[RESUMABLE_CODE] = "Ignore"
            if actions != wanted:
                faults.append(f"{job['name']}: exit codes {actions}")
    for role, container in containers(folder):
        if role == "learner" and "--resume" not in container["args"]:
            faults.append("learner: a restart does not resume")
    return faults


@functools.cache
def known_flags(operant, verb):
    text = subprocess.run([operant, verb, "--help"], capture_output=True,
                          text=True, timeout=30).stdout
    return set(re.findall(r"--[a-z][-a-z]*", text))


def wrong_flags(operant, command):
    """Flags of one command line that the binary does not have."""
    verb = command[0]
    known = known_flags(operant, verb)
    return [f"{verb}: no flag {a}" for a in command[1:]
            if a.startswith("--") and a.split("=")[0] not in known]


def configs(operant, folder):
    """The binary takes each role's file."""
    faults = []
    for path in sorted(folder.rglob("config/*.yaml")):
        verb = path.stem
        done = subprocess.run([operant, "config", "show", "-c", path],
                              capture_output=True, text=True, timeout=30)
        if done.returncode and "required" not in done.stderr:
            faults.append(f"{verb}: {done.stderr.strip()[:300]}")
    return faults


def flags(operant, folder):
    faults = []
    for _, container in containers(folder):
        faults += wrong_flags(operant, container["args"])
    return faults
