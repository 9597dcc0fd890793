"""What deploy.py plans for each variant, layer and distribution release; no target is needed for any of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from visomaster_host import paths, users
from visomaster_host.choices import Access, ModelsAt, Screen
from visomaster_host.services import services_for

from spec.application import load_application
from spec.distribution import Release, package_names
from spec.layer import IMAGE_LAYERS, Layer
from spec.packages import DESKTOP, PORTAL, SCREEN, STREAM, SYSTEM, VNC
from spec.program import GitSource
from spec.variant import VARIANTS, Variant
from tests.plan.fake import CANARY, Operation, on, plan

SANDBOX = load_application("sandbox")
ROTATED = "rotated"
AGAIN = "default-again"
BESIDE = re.compile(r"^Beside \| | \| Wait for the packages$")

Plans = Mapping[str, list[Operation]]


@pytest.fixture(scope="session", params=VARIANTS.values(), ids=tuple(VARIANTS))
def variant(request: pytest.FixtureRequest) -> Variant:
    """Each variant in turn."""
    found: Variant = request.param
    return found


@pytest.fixture(scope="session")
def plans(variant: Variant, tmp_path_factory: pytest.TempPathFactory) -> Plans:
    """The plans of `variant`, all from one run: each release whole, then layer subsets on Debian 12."""
    hosts = [on(release, release.name, variant=variant.name) for release in Release]
    subsets = {**{layer.value: layer.value for layer in Layer}, ROTATED: "desktop,system"}
    for name, layers in subsets.items():
        hosts.append(on(Release.BOOKWORM, name, variant=variant.name, layers=layers))
    return plan(tmp_path_factory.mktemp(variant.name), hosts)


def expected(layer: Layer, variant: Variant, release: Release = Release.BOOKWORM) -> list[str]:
    """The names of the operations of `layer` in order, from the tables in spec/."""
    services = services_for(variant.access, variant.models)
    built = variant.models is ModelsAt.BUILD
    match layer:
        case Layer.SYSTEM:
            names = ["Install packages", "Install ffmpeg", "Set the locale", f"Create user {users.DESKTOP}"]
            names += ["Create folders"]
        case Layer.ENVIRONMENT:
            names = [
                f"Install Conda environment {paths.ENVIRONMENT}",
                f"Install Python packages for {SANDBOX.accelerators[0].name}",
                "Put CUDA libraries on the loader path",
            ]
        case Layer.DESKTOP:
            names = ["Install packages", "Unpack Fluxbox", "Configure Fluxbox"]
        case Layer.ACCESS:
            portal = ["Create user visomaster-portal", "Unpack novnc, python3-websockify, pulseaudio"]
            programs = portal if variant.access is Access.PORTAL else ["Remove the portal's programs"]
            trust = ["Install what checks a key", "Trust Caddy's own repository"]
            lacking = variant.access is Access.PORTAL and release is Release.JAMMY
            streaming = "Install Selkies" if variant.access is Access.PORTAL else "Remove Selkies"
            names = [*(trust if lacking else []), "Install packages", *programs, streaming]
        case Layer.APPLICATION:
            assert isinstance(SANDBOX.source, GitSource)
            names = [
                f"Check out sandbox at {SANDBOX.source.commit[:12]}",
                "Keep guide and state out of git's sight",
            ]
            names += ["Let everybody read sandbox"]
        case Layer.PROGRAMS:
            installed = [f"Install the {part}" for part in ("package", "commands", "portal's pages")]
            names = [
                "Make room for the programs",
                *installed,
                "Configure the front",
                "Compile the package",
                "Write the model manifest",
            ]
            names += ["Put the environment on PATH of login shells", "Greet whoever logs in"]
        case Layer.MODELS:
            names = ["Write the model manifest", *(["Fetch the models"] if built else [])]
        case Layer.SERVICES:
            names = ["Describe the host", "Configure supervisord"]
            names += [f"Configure {service.name}" for service in services]
            names += ["Link the models into the program"] if built else []
            names += ["Make room for the guide", "Bring the guide", "Bring the guide's kernel"]
            names += ["Lead from the program to the guide"]
            names += ["Remove programs of other variants", "Take up what changed"]
        case Layer.START:
            names = ["Start the services"]
    return [f"{layer.title()} | {name}" for name in names]


def expected_whole(variant: Variant, release: Release) -> list[str]:
    """The names of all operations of a host: the layers', and what begins and waits for what runs beside them."""
    names = ["Beside | Install what comes first", "Beside | Begin with the packages"]
    built = variant.models is ModelsAt.BUILD
    for layer in Layer:
        names += ["Beside | Wait for the models"] if built and layer is Layer.MODELS else []
        names += expected(layer, variant, release)
        names += ["Beside | Begin with the models"] if built and layer is Layer.PROGRAMS else []
        if layer is Layer.ENVIRONMENT:
            names.insert(-1, f"{layer.title()} | Wait for the packages")  # who may be at the loader's files too
    return names


def names_of(planned: Iterable[Operation]) -> list[str]:
    """What a person sees of `planned` while it runs."""
    return [operation.name for operation in planned]


@pytest.mark.parametrize("release", Release, ids=lambda release: release.name.lower())
def test_a_whole_host_is_planned_in_order(plans: Plans, variant: Variant, release: Release) -> None:
    """Start last, every operation of every part, on each distribution release."""
    assert names_of(plans[release.name]) == expected_whole(variant, release)


@pytest.mark.parametrize("layer", Layer)
def test_one_layer_is_planned_alone(plans: Plans, variant: Variant, layer: Layer) -> None:
    """`--data layers=…` is what the Dockerfile's stages are made with."""
    assert names_of(plans[layer]) == expected(layer, variant)


def test_layers_are_applied_in_their_own_order(plans: Plans, variant: Variant) -> None:
    """Whatever order a person writes them in."""
    assert names_of(plans[ROTATED]) == [
        *expected(Layer.SYSTEM, variant),
        *expected(Layer.DESKTOP, variant),
    ]


def test_a_layer_alone_is_the_same_as_in_the_whole(plans: Plans, variant: Variant) -> None:
    """The image of a Dockerfile and a host that was set up at once do not differ, but for what is begun early."""
    whole = [one for one in plans[Release.BOOKWORM.name] if not BESIDE.search(one.name)]
    layered = [operation for layer in Layer for operation in plans[layer]]
    # A name of a temporary file is of this run alone, and arguments that are objects show where they are in memory.
    assert [(one.name, one.function, set(one.arguments)) for one in whole] == [
        (one.name, one.function, set(one.arguments)) for one in layered
    ]


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory) -> Plans:
    """The plans of one run over hosts of all variants, two of them of the same one."""
    hosts = [on(Release.BOOKWORM, name, variant=name) for name in VARIANTS]
    hosts += [on(Release.NOBLE, AGAIN, variant="default")]
    return plan(tmp_path_factory.mktemp("together"), hosts)


def test_hosts_of_all_variants_are_planned_in_one_run(plans: Plans, together: Plans, variant: Variant) -> None:
    """Without a cycle in pyinfra's ordering, and each as if it were alone; so are two hosts of the same variant."""
    assert set(together) == {*VARIANTS, AGAIN}
    alone = plans[Release.BOOKWORM.name]
    for name in (variant.name, AGAIN) if variant.name == "default" else (variant.name,):
        assert len(together[name]) == len(alone)
        for one, other in zip(together[name], alone, strict=True):
            assert other.name in one.names and other.function == one.function


def test_an_image_of_a_docker_connector_has_no_start() -> None:
    """Said of the table; what it means for an image is seen end to end."""
    assert Layer.START not in IMAGE_LAYERS and set(IMAGE_LAYERS) | {Layer.START} == set(Layer)


def test_every_file_states_owner_group_and_mode(plans: Plans, variant: Variant) -> None:
    """Without a mode a file is 0600 by `@docker` and `@local`, and 0644 over SSH."""
    operations = [one for one in plans[Release.BOOKWORM.name] if one.function == "file.written"]
    assert operations
    for one in operations:
        stated = {key: one.arguments.get(key) for key in ("user", "group", "mode")}
        assert all(stated.values()), f"{one.name}: {stated}"
        assert re.fullmatch("[0-7]{3,4}", stated["mode"] or ""), f"{one.name}: {stated}"


@pytest.mark.parametrize("release", Release, ids=lambda release: release.name.lower())
def test_packages_have_the_names_of_the_release(plans: Plans, variant: Variant, release: Release) -> None:
    """An old name resolves through Provides, and would be installed again by each run."""
    access = VNC if variant.access is Access.VNC else (*PORTAL, *STREAM)
    parts = {
        Layer.SYSTEM: (*SYSTEM, *SANDBOX.system),
        Layer.DESKTOP: (*DESKTOP, *SCREEN[Screen.TIGERVNC]),
        Layer.ACCESS: access,
    }
    for layer, names in parts.items():
        (operation,) = (one for one in plans[release.name] if one.name == f"{layer.title()} | Install packages")
        wanted = set(package_names(names, release))
        assert wanted == set(operation.arguments["names"]), layer
        (command,) = (text for text in operation.commands if text)
        assert wanted == set(command.rpartition("apt-install ")[2].split())
    glib = "libglib2.0-0t64" if release in (Release.TRIXIE, Release.NOBLE) else "libglib2.0-0"
    assert glib in package_names(SANDBOX.system, release)


def test_the_host_says_what_it_is(plans: Plans, variant: Variant) -> None:
    """/etc/visomaster/host.json: on-host programs decide by it and by nothing else."""
    (operation,) = (
        one
        for one in plans["services"]
        if one.function == "file.written" and one.name == "Services | Describe the host"
    )
    (text,) = (command for command in operation.commands if command.startswith("{"))
    facts = json.loads(text)
    assert (facts["access"], facts["models"], facts["port"]) == (variant.access, variant.models, variant.port)
    assert facts["services"] == [service.name for service in services_for(variant.access, variant.models)]
    assert variant.name not in facts.values(), "s-def and s-alt are one host"


def test_no_secret_is_in_a_plan(plans: Plans, variant: Variant) -> None:
    """Neither one of the controller's environment nor one written into a command or a file."""
    assigned = re.compile(r"(?i)(password|passwd|token|secret|api_?key)\w*\s*[=:]\s*['\"]?[A-Za-z0-9+/_-]{6,}")
    for one in plans[Release.BOOKWORM.name]:
        for text in one.commands:
            assert not any(secret in text for secret in CANARY.values()), one.name
        if one.function != "tree.copied":  # our own programs, whose code has such names
            assert not [found[0] for text in one.commands for found in assigned.finditer(text)], one.name


def test_no_service_starts_with_an_argument_that_is_secret(plans: Plans, variant: Variant) -> None:
    """The command of each service is the launcher and a name, nothing more."""
    programs = [
        one
        for one in plans["services"]
        if one.function == "file.written" and one.arguments["dest"].startswith(f"{paths.SUPERVISOR_PROGRAMS}/")
    ]
    assert len(programs) == len(services_for(variant.access, variant.models))
    for one in programs:
        (line,) = re.findall(r"(?m)^command\s*=\s*(.*)$", "\n".join(one.commands))
        name = one.name.rpartition(" ")[2]
        assert line == f"/usr/local/bin/visomaster-service {name}"


def test_folders_of_the_programs_user_are_left_to_them(plans: Plans, variant: Variant) -> None:
    """Root makes such a folder, from the folder above it; what is done inside one is done by its user."""
    theirs = re.compile("|".join(f"{re.escape(str(path))}/" for path in (paths.PROGRAM, paths.WORKSPACE, paths.HOME)))
    named = 0
    for one in plans[Release.BOOKWORM.name]:
        if one.function == "tree.copied":
            continue  # its archive is text of our programs, its folders are root's
        for text in one.commands:
            if text.startswith(("cd / && if test", "sh -c '# enter", "sh -euc")) or one.function == "file.written":
                named += str(paths.PROGRAM) in text
                continue
            assert not theirs.search(text), one.name
    assert named >= 3


def test_what_is_begun_early_is_what_comes_later_anyway(plans: Plans, variant: Variant) -> None:
    """The packages of all layers, but those of a repository that is added later; and the models by the same command."""
    for release in Release:
        begun = {one.name.rpartition("| ")[2]: one for one in plans[release.name] if BESIDE.search(one.name)}
        later = [one for one in plans[release.name] if one.name.endswith(" | Install packages")]
        if variant.access is Access.PORTAL and release is Release.JAMMY:
            later.pop()
        packages = begun["Begin with the packages"]
        assert set(packages.arguments["names"]) == {name for one in later for name in one.arguments["names"]}
        assert set(begun["Install what comes first"].arguments["names"]) <= set(packages.arguments["names"])
        commands = json.loads(packages.commands[1])["request"]["commands"]
        unpacked = [one for one in plans[release.name] if one.function == "debian_files.unpacked"]
        if variant.access is Access.PORTAL and release is Release.JAMMY:
            unpacked.pop()
        assert commands[1:] == [command for one in unpacked for command in one.commands if "apt-unpack" in command]
        if variant.models is ModelsAt.BUILD:
            (fetch,) = (one for one in plans[release.name] if one.function == "models.fetched" and "Fetch" in one.name)
            (command,) = json.loads(begun["Begin with the models"].commands[1])["request"]["commands"]
            assert command in fetch.commands


@pytest.mark.parametrize("layers", ["environment", "system,desktop", "desktop,environment,models"])
def test_few_layers_begin_what_they_have(tmp_path: Path, layers: str) -> None:
    """Nothing early where there is nothing to be beside; never what was not asked for."""
    planned = plan(tmp_path, [on(Release.BOOKWORM, "few", layers=layers)])["few"]
    begun = [one for one in planned if BESIDE.search(one.name)]
    if "desktop,environment" not in layers:
        assert not begun
        return
    assert names_of(begun) == ["Beside | Begin with the packages", "Environment | Wait for the packages"]
    assert set(begun[0].arguments["names"]) == set(
        package_names((*DESKTOP, *SCREEN[Screen.TIGERVNC]), Release.BOOKWORM)
    )
