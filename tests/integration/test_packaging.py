"""What brings freshet to a machine: manifests, the container's file, units, `make uninstall`, tests/deps.sh.

The packages themselves are lived with in clean chroots: `make packages`.
"""
import configparser
import glob
import os
import re
import subprocess

import pytest
import yaml

import freshet
import process
import python_home

PACKAGING = os.path.join(process.ROOT, "config", "packaging")
MANIFESTS = sorted(glob.glob(os.path.join(PACKAGING, "kubernetes", "*.yaml")))
KUBERNETES = ["kubernetes-validate==1.34.1"]


def read(*path):
    with open(os.path.join(process.ROOT, *path), encoding="utf-8") as file:
        return file.read()


def version():
    return re.search(r"^VERSION +:= (\S+)$", read("Makefile"), re.M)[1]


def objects(path, kind):
    return [one for one in yaml.safe_load_all(read(path)) if one["kind"] in kind]


def manifest(path):
    """(the program's name, its configuration, the container, the Service's ports or none)."""
    [configuration], [workload] = objects(path, ["ConfigMap"]), objects(path, ["Deployment", "DaemonSet"])
    [(name, text)] = configuration["data"].items()
    [container] = workload["spec"]["template"]["spec"]["containers"]
    ports = [port for service in objects(path, ["Service"]) for port in service["spec"]["ports"]]
    return {"freshet.yaml": "freshetd", "origin.yaml": "freshet-origin"}[name], text, container, ports


def test_kubernetes_takes_the_manifests():
    """By its own schemas, strictly: a field that is not there is a fault."""
    validate = python_home.program("kubernetes-validate", KUBERNETES, "kubernetes-validate")
    done = subprocess.run([validate, "--strict", *MANIFESTS], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and done.stdout.count(" passed ") == 9, done.stdout + done.stderr


@pytest.mark.parametrize("path", MANIFESTS, ids=os.path.basename)
def test_the_configuration_in_a_manifest_is_one(path, tmp_path):
    program, text, _, _ = manifest(path)
    text = re.sub(r"control: \S+", f"control: {tmp_path}/control.sock", text)
    (tmp_path / "file.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run([freshet.program(program), "--check", f"--config={tmp_path}/file.yaml"], capture_output=True, text=True,
                          check=False, timeout=20, env=freshet.environment())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", MANIFESTS, ids=os.path.basename)
def test_a_manifest_agrees_with_its_configuration(path):
    _, text, container, ports = manifest(path)
    config = yaml.safe_load(text)
    assert container["image"] == f"freshet:{version()}"
    assert container["livenessProbe"]["exec"]["command"][-1] == config["control"]
    assert os.path.dirname(config["control"]) in [mount["mountPath"] for mount in container["volumeMounts"]]
    probe = container["readinessProbe"]["httpGet"]
    assert probe["path"] == ("/healthz" if "origin" in path else "/readyz")
    assert str(probe["port"]) in ("metrics", config["metrics"].rpartition(":")[2])
    for port in container.get("ports", []):
        assert str(port["containerPort"]) == config["metrics"].rpartition(":")[2]
    [listen] = config["listen"] if "listen" in config else config["tiers"][0]["listen"]
    for port in ports:
        assert str(port["targetPort"]) == listen.rpartition(":")[2]


def test_the_nodes_ask_the_region():
    """And have an address that the region's cache tells its position to."""
    node, regional = (yaml.safe_load(manifest(path)[1]) for path in MANIFESTS if "origin" not in path)
    [service] = objects(next(path for path in MANIFESTS if "regional" in path), ["Service"])
    assert node["tiers"][0]["upstream"]["parent"] == [service["spec"]["clusterIP"]]
    assert regional["tiers"][0]["position_for"] == ["10.0.0.0/8"]


def test_a_unit_runs_as_the_user_that_its_package_makes():
    for unit, package in (("freshet", "freshetd"), ("freshet-origin", "freshet-origin")):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read_string(read("config", "systemd", f"{unit}.service"))
        [[_, user, *_]] = [line.split() for line in read("config", "packaging", "debian", f"{package}.sysusers").splitlines()]
        assert parser["Service"]["User"] == user == unit
        assert parser["Service"]["RuntimeDirectory"] == unit  # each its own: who stops takes it away


def test_uninstall_takes_what_install_brought(tmp_path):
    sanitizer = freshet.build_directory().partition("build/")[2]

    def make(target):
        subprocess.run(["make", "-s", target, f"DESTDIR={tmp_path}", f"SANITIZER={sanitizer}"], cwd=process.ROOT, check=True,
                       capture_output=True)
        return {os.path.relpath(os.path.join(folder, name), tmp_path) for folder, _, names in os.walk(tmp_path) for name in names}
    installed = make("install")
    share = "usr/local/share"
    assert {f"{share}/man/man1/freshet.1", f"{share}/man/man1/freshet-move.1", f"{share}/man/man5/freshet.yaml.5",
            f"{share}/man/man8/freshetd.8", f"{share}/bash-completion/completions/freshet",
            f"{share}/zsh/site-functions/_freshet-origin", f"{share}/fish/vendor_completions.d/freshetd.fish"} <= installed
    assert make("uninstall") == {"etc/freshet/freshet.yaml"}


def test_who_is_not_root_is_told_what_to_ask_for(tmp_path):
    """Not a bare apt-get, which would start name servers."""
    shims = {"id": "echo 1000", "sudo": "exit 1", "dpkg-query": "exit 1"}
    for name, text in shims.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run([os.path.join(process.ROOT, "tests", "deps.sh"), "build"], capture_output=True, text=True, check=False,
                          env=dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].strip() == "sudo tests/deps.sh build" and "apt-get" not in done.stderr


@pytest.mark.parametrize("program", ["freshetd", "freshet-origin", "freshet"])
def test_the_packages_of_a_machine_that_only_runs_it(program):
    """The table in docs/install.md, where it is of this machine's release: all that the program is linked with, and no more."""
    release = re.search(r'^VERSION_ID="(.*)"', open("/etc/os-release", encoding="utf-8").read(), re.M)[1]
    [table] = re.findall(r"(?:^\|.*\n)+", read("docs", "install.md").partition("Where it only runs")[2].partition("\n#")[0], re.M)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    if f"Debian {release}" not in rows[0]:
        pytest.skip("the table has Debian 12 and 13")
    column = rows[0].index(f"Debian {release}")
    said = {name for row in rows if row[0] in ("all programs", f"`{program}`") for name in row[column].split()}
    linked = subprocess.run(["ldd", freshet.program(program)], capture_output=True, text=True, check=True).stdout
    needed = subprocess.run(["objdump", "-p", freshet.program(program)], capture_output=True, text=True, check=True).stdout
    paths = dict(re.findall(r"(\S+) => (\S+)", linked))
    owners = set()
    for library in re.findall(r"NEEDED +(\S+)", needed):
        path = paths.get(library, "")
        for name in (path, f"/usr{path}"):
            found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False).stdout
            owners |= {found.split(":")[0]} - {""}
    sanitizers = {owner for owner in owners if re.match(r"lib(asan|tsan|ubsan)\d", owner)}
    assert owners - sanitizers - {"libc6"} == said
