"""What is fetched, from where and to where, as options and environment say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from visomaster_host.fetch import engine

from tests.fetch.faults import Fault
from tests.fetch.world import HOST, LARGE, SMALL, World


def test_groups_and_patterns_choose(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("a.onnx")
    world.add("lp/b.onnx")
    world.add("c.pth", group="optional")
    assert world.fetch("--only", "b.onnx") == 0
    assert not world.marker.exists(), "the required set is not complete yet"
    assert world.fetch("--only", "model_assets/*.pth") == 0
    assert world.fetch("--only", "a.*") == 0
    assert world.marker.exists()
    assert {p.name for p in world.store.rglob("*.*") if p.name[0] != "."} == {"a.onnx", "b.onnx", "c.pth"}
    assert world.fetch("--only", "nothing*") == 2
    assert "--only: no file of the manifest matches 'nothing*'" in capsys.readouterr().err
    assert world.fetch("--group", "all") == 2
    assert "--group: expected one of required, optional, dependencies, got 'all'" in capsys.readouterr().err


def test_an_optional_file_that_fails_leaves_the_required_set_verified(world: World) -> None:
    world.add("a.onnx")
    world.add("c.pth", group="optional")
    world.site.always["/c.pth"] = Fault(status=404)
    world.check(world.fetch("--group", "required", "optional"), failed={"c.pth"})


def test_a_store_below_folders_that_are_not_there_is_made(world: World) -> None:
    """MODELS_DIR on an empty volume."""
    world.add("a.onnx")
    deep = world.root / "volume/of/mine"
    assert world.fetch("--store", str(deep)) == 0
    assert (deep / "a.onnx").is_file()


def test_dependencies_go_to_their_own_folder(world: World) -> None:
    data = world.add("ffmpeg.exe", group="dependencies")
    world.entries[0]["path"] = "dependencies/ffmpeg.exe"
    assert world.fetch("--group", "dependencies") == 0
    assert (world.root / "dependencies/ffmpeg.exe").read_bytes() == data
    assert not (world.tree / "dependencies").exists()


def test_dry_run_and_check_touch_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("a.onnx", LARGE)
    world.add("b.onnx", say_size=True)
    assert world.fetch("--dry-run") == 0
    assert f"2 files to fetch, {LARGE + SMALL} bytes\n" in capsys.readouterr().out
    asked = len(world.site.requests)
    assert world.fetch("--check") == 1
    missing = ["model_assets/a.onnx", "model_assets/b.onnx", str(world.marker)]
    assert capsys.readouterr().out.splitlines() == missing
    assert len(world.site.requests) == asked
    assert not world.store.exists()
    assert world.fetch() == 0
    assert world.fetch("--check") == 0
    (world.tree / "model_assets/a.onnx").unlink()
    assert world.fetch("--check") == 1
    assert world.fetch("--check", "--no-link") == 0


def test_only_a_fetch_loads_the_http_library() -> None:
    """It takes half as long to import as a check of 57 files takes in all."""
    import visomaster_host

    code = "import sys; sys.path.insert(0, sys.argv[1]); import visomaster_host.fetch; print('requests' in sys.modules)"
    library = str(Path(visomaster_host.__file__).parent.parent)
    done = subprocess.run([sys.executable, "-c", code, library], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_environment_gives_store_and_mirrors(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("a.onnx")
    arguments = world.arguments()[:-2]
    del arguments[arguments.index("--store") : arguments.index("--store") + 2]
    monkeypatch.setenv("MODELS_DIR", str(world.root / "volume"))
    monkeypatch.setenv("VISOMASTER_MIRRORS", f"http://other.invalid=http://127.0.0.1:9 {HOST}={world.base}")
    from visomaster_host.fetch import main

    assert main(arguments) == 0
    assert (world.root / "volume/.downloaded").exists()
    assert (world.tree / "model_assets/a.onnx").readlink() == world.root / "volume/a.onnx"


def test_a_shell_without_the_containers_variables_finds_store_and_mirrors(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSH sessions on Vast have none of them; what visomaster-start was given is written down."""
    from visomaster_host import paths
    from visomaster_host.fetch import cli, main
    from visomaster_host.settings import Settings

    world.add("a.onnx")
    (world.root / "store").symlink_to(world.root / "volume")
    monkeypatch.setattr(paths, "MODEL_STORE", world.root / "store")
    monkeypatch.setattr(cli, "read_settings", lambda: Settings(mirrors=f"{HOST}={world.base}"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    arguments = world.arguments()[:-2]
    del arguments[arguments.index("--store") : arguments.index("--store") + 2]
    assert main(arguments) == 0
    assert (world.tree / "model_assets/a.onnx").readlink() == world.root / "volume/a.onnx"


def test_mirrors_of_the_last_start_are_for_root(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may hold a login: nobody else can read them, or is told so on every call."""
    from visomaster_host.fetch import cli

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(cli, "read_settings", lambda: pytest.fail("read"))
    assert cli.of_last_start() == {}


@pytest.mark.parametrize("target", ["http://127.0.0.1:808O", "http://127.0.0.1:99999", "http://[::1", "ftp://x/"])
def test_a_mirror_that_is_no_url_is_refused(world: World, capsys: pytest.CaptureFixture[str], target: str) -> None:
    world.add("a.onnx")
    assert world.fetch("--mirror", f"{HOST}={target}") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"visomaster-fetch: mirror: expected FROM=TO with two URL prefixes, TO of {HOST!r} is not a URL"


def test_certificates_that_are_not_there_are_named(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each file, without a traceback and without an end that never comes."""
    for number in range(engine.PROBES + 3):
        world.add(f"{number}.onnx")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert world.fetch("--mirror", f"{HOST}={world.base.replace('http:', 'https:')}") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == engine.PROBES + 3
    assert all("/nowhere/ca.pem" in line and line.startswith("visomaster-fetch: ") for line in lines)


def test_mirrors_of_another_form_are_refused_by_their_variable(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a container was given them; a login in them is not shown."""
    monkeypatch.setenv("VISOMASTER_MIRRORS", "https://me:canary@a.invalid")
    assert world.fetch() == 2
    said = capsys.readouterr().err
    assert said.startswith("visomaster-fetch: VISOMASTER_MIRRORS: mirror: expected FROM=TO with two URL prefixes, got")
    assert "canary" not in said and said.count("\n") == 1


@pytest.mark.parametrize("token", ["two words", "new\nline"])
def test_an_unusable_token_is_refused_without_being_shown(
    world: World, token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert world.fetch() == 2
    assert capsys.readouterr().err == "visomaster-fetch: HF_TOKEN: expected printable characters without spaces\n"
