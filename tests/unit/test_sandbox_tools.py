"""What the tests take from npm's registry is what was pinned."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile

import pytest

from sandbox import tools
from sandbox.shell import SandboxError


def archive_of(**files: bytes) -> bytes:
    """A package's archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as package:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return made.getvalue()


def integrity_of(archive: bytes) -> str:
    """As the registry tells it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"


def test_a_file_comes_out_of_the_archive_that_was_pinned() -> None:
    archive = archive_of(one=b"first", other=b"second")
    assert tools.taken_out(archive, "package/other", integrity_of(archive)) == b"second"


def test_any_other_archive_is_refused() -> None:
    archive = archive_of(one=b"first")
    with pytest.raises(SandboxError, match="expected sha512-AAAA, got sha512-"):
        tools.taken_out(archive, "package/one", "sha512-AAAA")


def test_the_registry_is_the_one_that_npm_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "https://registry.example/")
    assert tools.registry() == "https://registry.example"
    monkeypatch.delenv("npm_config_registry")
    monkeypatch.setattr(tools.shutil, "which", lambda _name: None)
    assert tools.registry() == tools.REGISTRY
