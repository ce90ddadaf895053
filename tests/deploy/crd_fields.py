"""Fields of custom resources that rendered runs use, written down by hand, since
their definitions come with their controllers and not with Kubernetes.

Compared with the projects' own definitions of jobset.x-k8s.io/v1alpha2 (0.13),
kueue.x-k8s.io/v1beta1 (LocalQueue), monitoring.coreos.com/v1 (0.93) and
cert-manager.io/v1 (Certificate).
What is not listed is refused, even if a controller knows it.
"""

# The language of the lists: a dict is an object of these fields and no others
# ("name!" is required); [x] a list of x; a set the words that are allowed; MAP
# texts by any name; JOB a template that Kubernetes' own schema describes.
TEXT, WHOLE, YES_NO, MAP, JOB = "text", "whole", "yes or no", "map", "job"
ANY = "any"  # a text or a number

SELECTOR = {"matchLabels": MAP}
JOBSET = {
    "network": {"enableDNSHostnames": YES_NO, "subdomain": TEXT,
                "publishNotReadyAddresses": YES_NO},
    "successPolicy": {"operator!": {"All", "Any"},
                      "targetReplicatedJobs": [TEXT]},
    "failurePolicy": {
        "maxRestarts": WHOLE,
        "restartStrategy": {"Recreate", "BlockingRecreate"},
        "rules": [{"name!": TEXT, "onJobFailureReasons": [
            {"BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes",
             "MaxFailedIndexesExceeded", "PodFailurePolicy"}],
            "action!": {"FailJobSet", "RestartJobSet",
                        "RestartJobSetAndIgnoreMaxRestarts"},
            "targetReplicatedJobs": [TEXT]}]},
    "suspend": YES_NO,
    "replicatedJobs": [{
        "name!": TEXT, "replicas": WHOLE, "template!": JOB,
        "dependsOn": [{"name!": TEXT, "status!": {"Ready", "Complete"}}]}],
}
ENDPOINT = {
    "port": TEXT, "path": TEXT, "interval": TEXT, "scrapeTimeout": TEXT,
    "relabelings": [{"action": TEXT, "regex": TEXT, "replacement": TEXT,
                     "separator": TEXT, "sourceLabels": [TEXT],
                     "targetLabel": TEXT}]}
RULE = {"record": TEXT, "alert": TEXT, "expr!": ANY, "for": TEXT,
        "keep_firing_for": TEXT, "labels": MAP, "annotations": MAP}
CERTIFICATE = {
    "secretName!": TEXT, "duration": TEXT, "renewBefore": TEXT,
    "commonName": TEXT, "dnsNames": [TEXT], "uris": [TEXT],
    "ipAddresses": [TEXT],
    "privateKey": {"algorithm": {"RSA", "ECDSA", "Ed25519"}, "size": WHOLE,
                   "encoding": {"PKCS1", "PKCS8"},
                   "rotationPolicy": {"Never", "Always"}},
    "usages": [{"digital signature", "key encipherment", "server auth",
                "client auth"}],
    "issuerRef!": {"name!": TEXT, "kind": TEXT, "group": TEXT}}
SPECS = {
    ("jobset.x-k8s.io/v1alpha2", "JobSet"): JOBSET,
    ("kueue.x-k8s.io/v1beta1", "LocalQueue"): {"clusterQueue": TEXT},
    ("monitoring.coreos.com/v1", "PodMonitor"): {
        "selector!": SELECTOR, "podMetricsEndpoints": [ENDPOINT]},
    ("monitoring.coreos.com/v1", "PrometheusRule"): {"groups": [
        {"name!": TEXT, "interval": TEXT, "rules": [RULE]}]},
    ("cert-manager.io/v1", "Certificate"): CERTIFICATE,
}
CORE = ("v1", "apps/v1", "batch/v1", "policy/v1", "autoscaling/v2",
        "networking.k8s.io/v1")


def of_object(value, fields, path):
    if not isinstance(value, dict):
        return [f"{path}: {value!r} has no fields"]
    known = {name.rstrip("!"): kind for name, kind in fields.items()}
    faults = [f"{path}: no field {name}" for name in value
              if name not in known]
    faults += [f"{path}: lacks {name[:-1]}" for name in fields
               if name.endswith("!") and name[:-1] not in value]
    for name in value.keys() & known.keys():
        faults += of_value(value[name], known[name], f"{path}.{name}")
    return faults


def of_value(value, kind, path):
    if isinstance(kind, dict):
        return of_object(value, kind, path)
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{path}: {value!r} is no list"]
        return [fault for i, entry in enumerate(value)
                for fault in of_value(entry, kind[0], f"{path}[{i}]")]
    if isinstance(kind, set):
        good = isinstance(value, str) and value in kind
    else:
        good = {
            TEXT: isinstance(value, str), YES_NO: isinstance(value, bool),
            WHOLE: isinstance(value, int) and not isinstance(value, bool),
            ANY: isinstance(value, (str, int)),
            JOB: isinstance(value, dict),
            MAP: isinstance(value, dict)
            and all(isinstance(v, str) for v in value.values()),
        }[kind]
    return [] if good else [f"{path}: {value!r} is not {kind}"]


def crd_fields(objects):
    """Faults of the objects that are not Kubernetes' own."""
    faults = []
    for o in objects:
        version, kind = o.get("apiVersion"), o.get("kind")
        if version in CORE:
            continue
        if (version, kind) not in SPECS:
            faults.append(f"{kind}: not known: {version}")
            continue
        faults += of_object(o.get("spec"), SPECS[version, kind],
                            f"{kind}.spec")
    return faults


def jobs_of(objects):
    """The Jobs that a JobSet makes, for Kubernetes' own schema."""
    return [{"apiVersion": "batch/v1", "kind": "Job",
             "metadata": {"name": job["name"],
                          **job["template"].get("metadata", {})},
             "spec": job["template"]["spec"]}
            for o in objects if o.get("kind") == "JobSet"
            for job in o["spec"]["replicatedJobs"]]
