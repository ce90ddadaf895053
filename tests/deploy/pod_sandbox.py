"""One container of a Pod, as kubelet starts it: its image, command, environment
and mounts, as its user, without capabilities, on a root that nobody can write.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def unpack_image(operant, folder):
    """The files that deploy/images/Dockerfile lays over its base."""
    subprocess.run([ROOT / "deploy/images/collect.sh", operant,
                    folder / "usr/local"],
                   check=True, capture_output=True, timeout=300)
    return folder


def image_environment():
    """ENV of the Dockerfile's last stage."""
    text = (ROOT / "deploy/images/Dockerfile").read_text()
    last = text[text.rindex("\nFROM "):]
    return dict(re.findall(r"^ENV (\w+)=(\S+)$", last, re.M))


def variables(container, fields):
    """The container's environment; `fields` are those of a fieldRef."""
    found = image_environment()
    for entry in container.get("env", []):
        if "valueFrom" in entry:
            path = entry["valueFrom"]["fieldRef"]["fieldPath"]
            found[entry["name"]] = fields[path]
        else:
            found[entry["name"]] = entry["value"]
    return found


def arguments(container, environment):
    """command and args, $(NAME) replaced as Kubernetes does."""
    def value(name):
        return environment.get(name[1], name[0])
    return [re.sub(r"\$\((\w+)\)", value, word)
            for word in container["command"] + container.get("args", [])]


def write_file(path, text, mode, group):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chown(path, 0, group)
    path.chmod(mode)


def projected(source, volume, folder, group):
    """A folder that holds the keys of a ConfigMap or Secret. KeyError: it has
    no such key."""
    keys = volume.get("items") or [{"key": k, "path": k} for k in source]
    for item in keys:
        write_file(folder / item["path"], source[item["key"]],
                   volume.get("defaultMode", 0o644), group)
    folder.chmod(0o755)
    return folder


def ancestors(places):
    """bwrap's words for the folders that lead to `places`: those that it makes
    itself are open to root alone."""
    found = {str(parent) for place in places
             for parent in pathlib.PurePath(place).parents} - {"/"}
    return [word for folder in sorted(found) for word in ("--dir", folder)]


def mount(volume, place, read_only, folder, group, objects):
    """bwrap's words for one volume at `place`."""
    bind = "--ro-bind" if read_only else "--bind"
    if "emptyDir" in volume:
        match = re.fullmatch(r"(\d+)([KMG]i)", volume["emptyDir"]["sizeLimit"])
        size = int(match[1]) * UNITS[match[2]]
        return ["--perms", "0777", "--size", str(size), "--tmpfs", place]
    if "hostPath" in volume:
        return [bind, volume["hostPath"]["path"], place]
    kind = "configMap" if "configMap" in volume else "secret"
    given = volume[kind]
    name = given.get("name") or given["secretName"]
    filled = projected(objects[kind, name], given, folder / volume["name"],
                       group)
    return ["--ro-bind", str(filled), place]


def sandbox(spec, container, fields, image, folder, objects, etc):
    """The command line that runs `container` of the Pod `spec`.

    fields: what a fieldRef finds; image: the unpacked files; folder: of this
    Pod alone; objects: {("configMap" | "secret", name): {key: text}}; etc: files
    that kubelet puts into /etc.
    """
    of_pod, own = spec["securityContext"], container["securityContext"]
    group = of_pod["fsGroup"]
    shutil.rmtree(folder, ignore_errors=True)
    words = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc",
             "--unshare-uts", "--as-pid-1", "--hostname",
             fields["metadata.name"]]
    words += ancestors(["/usr/local", *(f"/etc/{name}" for name in etc),
                        *(m["mountPath"] for m in container["volumeMounts"])])
    # The C library and the loader are the base image's: here, this machine's.
    for name in ("bin", "lib", "lib64"):
        words += ["--ro-bind", f"/usr/{name}", f"/usr/{name}",
                  "--symlink", f"usr/{name}", f"/{name}"]
    words += ["--ro-bind", str(image / "usr/local"), "/usr/local",
              "--proc", "/proc", "--dev", "/dev"]
    for name, text in etc.items():
        write_file(folder / "etc" / name, text, 0o644, 0)
        words += ["--ro-bind", str(folder / "etc" / name), f"/etc/{name}"]
    volumes = {v["name"]: v for v in spec["volumes"]}
    for place in container["volumeMounts"]:
        words += mount(volumes[place["name"]], place["mountPath"],
                       place.get("readOnly", False), folder, group, objects)
    words += ["--remount-ro", "/"] if own["readOnlyRootFilesystem"] else []
    words += ["--clearenv"]
    environment = variables(container, fields)
    for name, value in {"PATH": "/usr/bin", **environment}.items():
        words += ["--setenv", name, value]
    words += ["setpriv", f"--reuid={of_pod['runAsUser']}",
              f"--regid={of_pod['runAsGroup']}", f"--groups={group}"]
    if own["capabilities"]["drop"] == ["ALL"]:
        words += ["--bounding-set=-all", "--inh-caps=-all"]
    if not own["allowPrivilegeEscalation"]:
        words += ["--no-new-privs"]
    return words + arguments(container, environment)


def secrets_of(folder, prefix, roles):
    """Those that the how-to makes of `operant certs create`."""
    return {("secret", f"{prefix}-{role}"):
            {name: (folder / name).read_text()
             for name in ("ca.crt", f"{role}.pem")} for role in roles}


def config_maps(objects):
    return {("configMap", o["metadata"]["name"]): o["data"]
            for o in objects if o["kind"] == "ConfigMap"}


def last_lines(path, count=8):
    text = path.read_text(errors="replace") if path.exists() else ""
    return json.dumps(text.splitlines()[-count:])
