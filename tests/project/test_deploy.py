"""The files in deploy: they parse, every setting that they name exists, and what belongs together agrees."""

from __future__ import annotations

import ast
import configparser
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]  # ships no types

from evhold.config import load
from evhold.launch import check_settings
from evhold.options import OPTIONS
from evhold.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
FLAGS: Final = {f"--{option.name}" for option in OPTIONS}
VARIABLES: Final = {option.variable for option in OPTIONS}
#: What a stop may take beyond --drain: stations 10 s, API 10 s, orders 10 s, and the rest of it.
BESIDES_DRAIN_S: Final = 40
EXAMPLE: Final = "an-example-of-a-key"


def read(name: str) -> str:
    """Return the text of a file in deploy."""
    return (DEPLOY / name).read_text(encoding="utf-8")


def settings_of(words: list[str], environment: dict[str, str]) -> Settings:
    """Return the settings of a command line that begins with ``serve``; each stands for itself, values being checked."""
    assert words[0] == "serve"
    given: dict[str, object] = {}
    rest = iter(words[1:])
    for word in rest:
        assert word in FLAGS, f"there is no option {word}"
        option = next(one for one in OPTIONS if word == f"--{one.name}")
        given[option.field] = True if option.is_flag else next(rest)
    settings = load(given, environment=environment, file=None)
    check_settings(settings)
    return settings


def image() -> tuple[list[str], dict[str, str]]:
    """Return the Dockerfile's command and its environment."""
    text = read("Dockerfile").replace("\\\n", " ")
    command = re.findall(r"^CMD (.*)$", text, re.MULTILINE)[-1]
    environment = dict(re.findall(r"(EVHOLD_\w+)=(\S+)", text))
    words: list[str] = json.loads(command)
    return words, environment


def unit() -> configparser.ConfigParser:
    """Return the systemd unit; of a key that is repeated, the last one."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # the way to keep the case of keys
    parsed.read_string(read("evhold.service"))
    return parsed


def env_file(*, all_of_it: bool) -> dict[str, str]:
    """Return what the example for systemd sets; with ``all_of_it`` also what it has commented out."""
    lines = re.findall(r"^(#?)([A-Z_]+)=(.*)$", read("evhold.env"), re.MULTILINE)
    return {name: value.replace("CHANGE-ME", EXAMPLE) for hash_, name, value in lines if all_of_it or not hash_}


def compose() -> dict[str, Any]:
    """Return the compose file, its variables filled in."""
    parsed: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:\?[^}]*\}", EXAMPLE, read("compose.yaml")))
    return parsed


def manifests() -> dict[str, list[dict[str, Any]]]:
    """Return the documents of the Kubernetes manifest by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for document in yaml.safe_load_all(read("kubernetes.yaml")):
        found.setdefault(document["kind"], []).append(document)
    return found


def kubernetes_environment(container: dict[str, Any], secret: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield a container's variables; those of the Secret by a key that it has."""
    for variable in container["env"]:
        source = variable.get("valueFrom")
        yield variable["name"], variable["value"] if source is None else secret[source["secretKeyRef"]["key"]]


def seconds(text: str) -> float:
    """Return a duration such as 60s or 60."""
    return float(text.removesuffix("s"))


@pytest.mark.parametrize("all_of_it", [False, True], ids=["one node", "many"])
def test_the_unit_starts_a_node_and_waits_for_its_end(all_of_it: bool) -> None:
    """Command and environment file are settings that fit together; the stop's time-out is longer than the drain."""
    service = unit()["Service"]
    program, *words = service["ExecStart"].split()
    settings = settings_of(words, env_file(all_of_it=all_of_it))
    assert Path(program).name == "evhold"
    assert settings.drain + BESIDES_DRAIN_S <= seconds(service["TimeoutStopSec"])
    assert int(service["LimitNOFILE"]) > settings.max_stations
    assert (settings.nats is not None) is all_of_it


def test_the_unit_gives_the_node_no_rights() -> None:
    """It runs as a user of its own, can become nobody else, and writes into its own folder alone."""
    service = unit()["Service"]
    wanted = {"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": ""}
    assert {name: service[name] for name in wanted} == wanted
    assert service["StateDirectory"] == "evhold"
    assert service["WorkingDirectory"] == "%S/evhold"


def test_the_image_starts_a_node_that_is_not_root() -> None:
    """Its command and environment are settings that fit together; the user is a number, as Kubernetes wants it."""
    words, environment = image()
    settings_of(words, environment)
    text = read("Dockerfile")
    assert re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE) == [("10001", "10001")]
    assert "--require-hashes" in text
    (check,) = re.findall(r'"(import urllib[^"]*)"', text)
    ast.parse(check)
    assert "/readyz" in check


def test_what_the_image_copies_exists_and_is_let_through() -> None:
    """Every source of a COPY is there, and the ignore file lets it in."""
    text = re.sub(r"^COPY --from.*$", "", read("Dockerfile"), flags=re.MULTILINE)
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    let_in = {line[1:] for line in read("Dockerfile.dockerignore").splitlines() if line.startswith("!")}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    paths = {path.relative_to(ROOT).as_posix() for name in copied for path in [ROOT / name] if path.is_file()}
    paths |= {*(name for name in copied if (ROOT / name).is_dir())} - {"deploy/"}
    assert paths - let_in == set()


@pytest.mark.parametrize(
    ("name", "more"),
    [("cluster", {"tzdata"}), ("oidc", {"cffi", "cryptography", "pycparser"})],
    ids=["cluster", "oidc"],
)
def test_the_extras_pins_are_the_locked_ones(name: str, more: set[str]) -> None:
    """An extra's packages and what they need are pinned as in the lock of development, by the same hashes."""
    pinned = blocks(read(f"requirements-{name}.txt"))
    locked = blocks((ROOT / "requirements-dev.txt").read_text(encoding="utf-8"))
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    needed = {re.split(r"[<>=]", line)[0] for line in extra[name]}
    assert pinned.keys() == needed | more
    assert {name: locked[name] for name in pinned} == pinned


def blocks(lock: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return distribution name -> its version and the hashes of its files."""
    found = re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)[^\n]*\\\n((?:    --hash=[^\n]*\n)+)", lock, re.MULTILINE)
    return {name: (version, tuple(re.findall(r"sha256:\w+", hashes))) for name, version, hashes in found}


@pytest.mark.parametrize("name", ["node1", "node2"])
def test_the_compose_file_starts_nodes(name: str) -> None:
    """Each node's command and environment fit together, over PostgreSQL and NATS; it is given time to end."""
    node = compose()["services"][name]
    _, environment = image()
    settings = settings_of(node["command"], {**environment, **node["environment"]})
    assert settings.nats is not None
    assert settings.drain + BESIDES_DRAIN_S <= seconds(node["stop_grace_period"])
    assert node["ulimits"]["nofile"] > settings.max_stations


def test_the_proxy_sends_to_every_node_at_the_ports_that_it_listens_at() -> None:
    """Both backends name both nodes, are checked by /readyz, and an idle connection outlives the ping of a node."""
    parsed = compose()
    proxy = parsed["configs"]["haproxy"]["content"]
    servers = sorted(re.findall(r"^ *server (\w+) (\w+):(\d+)$", proxy, re.MULTILINE))
    nodes = [name for name in parsed["services"] if name.startswith("node")]
    assert servers == sorted((name, name, port) for name in nodes for port in ("8080", "9000"))
    assert proxy.count("option httpchk GET /readyz") == 2
    assert int(*re.findall(r"timeout tunnel (\d+)s", proxy)) > 150


def test_the_kubernetes_manifest_starts_nodes() -> None:
    """Command and environment fit together, the Secret has every key that is asked for, and the end is given time."""
    found = manifests()
    (deployment,) = found["Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (secret,) = found["Secret"]
    _, environment = image()
    environment |= dict(kubernetes_environment(container, secret["stringData"]))
    settings = settings_of(container["args"], environment)
    before = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert settings.nats is not None
    assert before + settings.drain + BESIDES_DRAIN_S <= pod["terminationGracePeriodSeconds"]
    assert container["resources"].keys() == {"requests", "limits"}


def test_the_kubernetes_manifest_refers_to_what_it_has() -> None:
    """Services and the disruption budget select the pods; ports and probes are those of the container."""
    found = manifests()
    (deployment,) = found["Deployment"]
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"api": 8080, "stations": 9000}
    labels = template["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert [service["spec"]["selector"] for service in found["Service"]] == [labels, labels]
    assert {port["targetPort"] for service in found["Service"] for port in service["spec"]["ports"]} == ports.keys()
    assert [budget["spec"]["selector"]["matchLabels"] for budget in found["PodDisruptionBudget"]] == [labels]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {name: (probe["path"], probe["port"]) for name, probe in probes.items()} == {
        "startup": ("/healthz", "api"),
        "readiness": ("/readyz", "api"),
        "liveness": ("/healthz", "api"),
    }


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    """No variable of ours stands in a file of deploy, prose included, that a node would refuse."""
    named = set(re.findall(r"\bEVHOLD_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
    assert named - VARIABLES - {"EVHOLD_STATIONS_PORT"} == set()
