"""Packages from a repository of somebody else, as Ubuntu 22.04 gets Caddy: its key is checked before it is trusted."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import base
from tests.drills.box import unchanged
from tests.e2e.machine import Container, container, docker, pyinfra

DEPLOY = """
from dataclasses import replace
from pyinfra import host
from operations import packages
from spec.packages import CADDY

packages.installed(name="Tools", names=CADDY.tools)
given = replace(CADDY, suite="./", component="", fingerprint=host.data.fingerprint)
mirrors = {"https://dl.cloudsmith.io/public/caddy/stable": "http://127.0.0.1:8000"}
packages.repository(name="Trust the repository", wanted=given, mirrors=mirrors)
packages.installed(name="Package", names=("visomaster-probe",))
"""
# A package of one's own, in a repository that a key of one's own has signed.
REPOSITORY = """
set -eu
apt-get -qq update && apt-get -qq install -y --no-install-recommends gpg gpg-agent apt-utils python3 >/dev/null
mkdir -p /srv/deb/debian /tmp/p/DEBIAN && cd /srv/deb/debian
printf 'Package: %s\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' visomaster-probe \\
    >/tmp/p/DEBIAN/control
dpkg-deb --build /tmp/p probe.deb >/dev/null
apt-ftparchive packages . >Packages && apt-ftparchive release . >/tmp/Release && mv /tmp/Release .
gpg --batch --quiet --passphrase '' --quick-generate-key 'Probe <x@x>' default sign never
gpg --batch --clearsign --output InRelease Release
gpg --armor --export >/srv/gpg.key
apt-get -qq purge -y gpg-agent apt-utils >/dev/null
rm -rf /var/lib/apt/lists/*
gpg --list-keys --with-colons | awk -F: '$1 == "fpr" { print $10; exit }'
"""


@pytest.fixture(scope="module")
def box(engine_going: None) -> Iterator[Container]:
    """A plain machine that serves the repository to itself."""
    with container(base.base_image("bookworm"), "--entrypoint=sleep", command=("infinity",)) as made:
        yield made


@pytest.fixture(scope="module")
def fingerprint(box: Container) -> str:
    """The fingerprint of the repository's key."""
    found = box.output("sh", "-c", REPOSITORY).strip()
    assert re.fullmatch("[0-9A-F]{40}", found)
    docker("exec", "--detach", box.name, "python3", "-m", "http.server", "--directory", "/srv", "--bind", "127.0.0.1")
    return found


def applied(box: Container, folder: Path, fingerprint: str) -> subprocess.CompletedProcess[str]:
    deploy = folder / "probe.py"
    deploy.write_text(DEPLOY)
    return pyinfra(f"@docker/{box.name}", str(deploy), "-y", "--data", f"fingerprint={fingerprint}")


def test_another_key_is_refused(box: Container, fingerprint: str, tmp_path: Path) -> None:
    """Both fingerprints are named, and apt is left as it was."""
    before = box.output("find", "/etc/apt", "-newer", "/srv/gpg.key")
    refused = applied(box, tmp_path, "F" * 40)
    assert refused.returncode != 0
    assert f"expected the fingerprint {'F' * 40}, got {fingerprint}" in refused.stderr
    assert box.output("find", "/etc/apt", "-newer", "/srv/gpg.key") == before


def test_the_package_is_installed_once(box: Container, fingerprint: str, tmp_path: Path) -> None:
    """By the right key; a second run has nothing to do."""
    first = applied(box, tmp_path, fingerprint)
    assert first.returncode == 0, first.stderr
    assert box.output("dpkg-query", "-W", "-f", "${Version}", "visomaster-probe") == "1"
    assert fingerprint in box.output("cat", "/etc/apt/sources.list.d/caddy-stable.sources")
    second = applied(box, tmp_path, fingerprint)
    assert unchanged(second), second.stderr
