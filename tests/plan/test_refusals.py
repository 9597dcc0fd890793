"""Mistakes at pyinfra's command line: each one clear line, a status that is not 0, and nothing done to a host.

One of each kind, through the whole program; tests/unit has the rest of what settings and profiles refuse.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from operations.facts.described import DescribedHost
from spec.distribution import Release
from tests.plan.fake import Fake, run

LOOKS = {"cat /etc/os-release", 'test "$(id -u)" = 0 || id -un', DescribedHost().command().get_raw_value()}
"""All that a refused run may ask a host: which one it is, what it is already, and as whom."""

PROFILE = """
title = "Own"
manifest = "models.json"
system = ["libgl1"]
[source]
git = "https://example.org/own.git"
commit = "0123456789abcdef0123456789abcdef01234567"
[environment]
python = "3.11"
channels = ["conda-forge"]
[accelerators.cpu]
requirements = []
"""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Wrong `arguments`, or a profile of one's own with `old` replaced by `new`, or a host's wrong `release`; and
    the line a person is to read (a regular expression)."""

    said: str
    arguments: tuple[str, ...] = ()
    old: str = ""
    new: str = ""
    release: str = Release.BOOKWORM
    files: Mapping[str, str] = field(default_factory=dict)
    host_data: Mapping[str, object] = field(default_factory=dict)


def data(*pairs: str) -> tuple[str, ...]:
    """The arguments that set `pairs` on the command line."""
    return tuple(word for pair in pairs for word in ("--data", pair))


MISTAKES = {
    "variant": Mistake(
        arguments=data("variant=big"), said="variant: 'big' is unknown, expected one of: default, alt, s-def, s-alt"
    ),
    "port": Mistake(arguments=data("port=70000"), said="port: expected a number from 1 to 65535, got 70000"),
    "layer": Mistake(
        arguments=data("layers=system,dekstop"), said="layers: 'dekstop' is unknown, expected one of: programs, .*start"
    ),
    "application": Mistake(
        arguments=data("application=viso"),
        said=r"application: 'viso' is unknown, expected one of: .*sandbox.* or the path of a \.toml file",
    ),
    "accelerator": Mistake(
        arguments=data("accelerator=rocm"), said="accelerator: 'rocm' is unknown to sandbox, expected one of: cu124"
    ),
    "data key": Mistake(
        arguments=data("varriant=alt"),
        said="data: unknown field 'varriant', expected one of: variant, port, tls_port, screen, layers, .*",
    ),
    "data key of an inventory": Mistake(host_data={"aplication": "x"}, said="data: unknown field 'aplication', "),
    "source that is a branch": Mistake(
        arguments=data("source=https://example.org/x.git@main"),
        said="source: commit must be 40 hexadecimal digits in lower case, got 'main'",
    ),
    "mirrors": Mistake(arguments=data("mirrors=http://a.invalid"), said="mirrors: expected FROM=TO, got 'http://a"),
    "channel": Mistake(arguments=data("channels=htp://x"), said="channels: expected a URL .*, got 'htp://x'"),
    "repository": Mistake(
        arguments=data("repository=Upper/Case"),
        said="repository: expected an image's name in lower case, .*'Upper/Case'",
    ),
    "title of two lines": Mistake(
        old='"Own"', new='"Own\\nprogram"', said="image label .*title: expected one line without control characters"
    ),
    "missing field": Mistake(old='title = "Own"', said="own.toml: title must be a non-empty string, got None"),
    "wrong type": Mistake(old='"Own"', new="7", said="own.toml: title must be a non-empty string, got 7"),
    "commit": Mistake(
        old="0123456789abcdef0123456789abcdef01234567",
        new="0123abc",
        said="own.toml: source: commit must be 40 hexadecimal digits in lower case, got '0123abc'",
    ),
    "manifest": Mistake(
        old='"Own"',
        new='"Own "',
        files={"models.json": '{"schema": 1, "files": [{"path": "model_assets/a", "url": "https://h/a b"}]}'},
        said=r"own: manifest: .*models\.json: files\[0\]\.url: expected an http\(s\) URL, got 'https://h/a b'",
    ),
    "lock": Mistake(
        old='python = "3.11"',
        new='python = "3.11"\nlock = "own.lock"',
        files={"own.lock": f"# inputs: sha256:{'0' * 64}\n"},
        arguments=data("layers=environment"),  # with others the plan asks more, of which nothing is done
        said="own.lock was made for other specs or channels: run `make lock`",
    ),
    "release": Mistake(
        release="debian-11",
        said="distribution release: 'debian-11' is not supported, expected one of: debian-12, debian-13, ubuntu-22.04",
    ),
}

Runs = Mapping[str, subprocess.CompletedProcess[str]]


def attempt(mistake: Mistake, folder: Path) -> subprocess.CompletedProcess[str]:
    """A real run, not a dry one: refusing is the only thing that keeps it from the host."""
    folder.mkdir()
    (folder / "models.json").write_text('{"schema": 1, "files": []}', encoding="utf-8")
    for name, text in mistake.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    own = folder / "own.toml"
    assert mistake.old in PROFILE
    own.write_text(PROFILE.replace(mistake.old, mistake.new) if mistake.old else PROFILE, encoding="utf-8")
    application = str(own) if mistake.old else "sandbox"
    host = Fake(name="box", release=mistake.release, data={"application": application, **mistake.host_data})
    return run(folder, [host], "deploy.py", "-y", "-vvv", *mistake.arguments)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A run for each mistake; a run is mostly waiting for imports, so a few go at once."""
    folder = tmp_path_factory.mktemp("refusals")
    with ThreadPoolExecutor(max_workers=4) as pool:
        done = pool.map(lambda named: attempt(named[1], folder / named[0].replace(" ", "-")), MISTAKES.items())
        return dict(zip(MISTAKES, done, strict=True))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_clear_line(runs: Runs, name: str) -> None:
    """It names the field and what was expected, and is the last thing on the screen."""
    done = runs[name]
    assert done.returncode not in (0, None)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert re.search(MISTAKES[name].said, lines[-1]), done.stderr
    assert "Traceback" not in done.stderr
    assert [line for line in lines if "error" in line.lower()] == lines[-1:]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_refused_run_does_nothing(runs: Runs, name: str) -> None:
    """The host is asked for its release, what it is already, and who we are there, at most."""
    sent = re.findall(r">>> (.*)", runs[name].stderr)
    assert set(sent) <= LOOKS
    assert "Beginning operation run" not in runs[name].stderr
