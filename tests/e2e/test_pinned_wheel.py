"""What installs all else comes as one wheel, from an index of this machine's loopback."""

from __future__ import annotations

import ast
import base64
import io
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.remote import uv_settings
from operations.remote.pinned_wheel import NotFetched, fetch_wheel
from operations.remote.uv_program import bring_uv
from tests.e2e.fake_index import Index, index, wheel

TAGS = f"manylinux_2_17_{platform.machine()}.manylinux2014_{platform.machine()}"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", os.devnull)
    with index() as started:
        yield started


def uv(tags: str = f"py3-none-{TAGS}") -> tuple[str, bytes]:
    """A wheel as uv's are: a program among its data."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("uv-1.0.data/scripts/uv", "#!/bin/sh\n")
    return f"uv-1.0-{tags}.whl", packed.getvalue()


def test_uv_is_the_program_of_its_wheel_for_this_machine(tmp_path: Path, served: Index) -> None:
    for tags in ("py3-none-win_amd64", "py3-none-manylinux_2_17_s390x", "py3-none-musllinux_1_1_x86_64"):
        served.add("uv", uv(tags))
    served.add("uv", uv("cp399-abi3-any"))  # of a Python that is not there yet
    locked = f"uv==1.0 --hash={served.add('uv', uv())}\n"
    program = bring_uv(locked, served.url, {}, tmp_path)
    assert (program.read_text(), program.stat().st_mode & 0o777) == ("#!/bin/sh\n", 0o755)
    assert served.asked == ["/simple/uv/", f"/files/uv/{uv()[0]}"]
    assert bring_uv(locked, served.url, {}, tmp_path) == program
    assert len(served.asked) == 2, "it is not fetched again"
    assert [path.name for path in tmp_path.iterdir()] == ["uv-1.0"]


def refusal(locked: str, where: str, tmp_path: Path) -> str:
    with pytest.raises(NotFetched) as refused:
        bring_uv(locked, where, {}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    return str(refused.value)


def test_what_cannot_be_had_is_one_line(tmp_path: Path, served: Index) -> None:
    other, machine = f"uv==1.0 --hash=sha256:{'0' * 64}\n", platform.machine()
    assert refusal(other, served.url, tmp_path) == f"cannot fetch uv: {served.url}/uv/ answers 404 Not Found"
    served.add("uv", uv("py3-none-win_amd64"))
    assert refusal(other, served.url, tmp_path) == f"cannot fetch uv: {served.url}/uv/ has no uv==1.0 for {machine}"
    served.add("uv", uv())
    mismatch = "cannot fetch uv: uv==1.0: its sha256 is not the one that is locked"
    assert refusal(other, served.url, tmp_path) == mismatch
    login = refusal(other, "http://user:secret@127.0.0.1:9/simple", tmp_path)
    assert login == "cannot fetch uv: http://127.0.0.1:9/simple/uv/ cannot be reached: Connection refused"


@pytest.mark.parametrize("leads", [False, True])
def test_a_login_is_for_its_own_server(served: Index, leads: bool) -> None:
    """Where a page leads to another server, that one is told nothing."""
    with index() as other:
        digest = served.add("thing", wheel("thing", "1.0"))
        other.add("thing", wheel("thing", "1.0"))
        served.files = other.url.removesuffix("/simple") if leads else ""
        here = f"http://us%40er:secret@{served.url.removeprefix('http://')}"
        fetch_wheel(f"thing==1.0 --hash={digest}", here, {}).close()
    login = f"Basic {base64.b64encode(b'us@er:secret').decode()}"
    assert (served.logins, other.logins) == (([login], [None]) if leads else ([login, login], []))


PIP_CONF = {
    "etc/pip/pip.conf": "[global]\ntimeout = 1\nretries = 7\nproxy = http://etc\n[install]\ncert = /etc.pem\n",
    "home/.pip/pip.conf": "[global]\nindex-url = https://old.invalid\n",
    "home/.config/pip/pip.conf": "[global]\nindex_url = https://new.invalid\nextra-index-url = https://other.invalid\n"
    "[download]\nproxy = http://no\n",
    "named.conf": "[install]\nproxy = http://named\n[global]\nproxy = http://weaker\nTrusted-Host = a\n  b\n",
}


def listed_by_pip() -> dict[str, str]:
    """What the box says to pip, as pip itself lists it: option -> value, the strongest."""
    command = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, dict[str, str]] = {section: {} for section in ("global", "install", ":env:")}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            found[section][name] = ast.literal_eval(value)
    return {name: value for section in found.values() for name, value in section.items()}


@pytest.mark.parametrize("named", [None, "named.conf", "gone.conf", os.devnull])
def test_a_box_is_read_as_pip_reads_it(named: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip itself is asked what it makes of the same files and variables."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, text in PIP_CONF.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("PIP_CERT", "/variable.pem")
    if named:
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / named))
    found = uv_settings.configured(Path(sys.prefix))
    assert found == {name: value for name, value in listed_by_pip().items() if name in uv_settings.OPTIONS and value}
    assert found["cert"] == "/variable.pem"


def test_a_file_that_is_none_of_pips_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text("index-url = x\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(ValueError, match=r"pip\.conf: cannot be read as a configuration of pip: File contains no sect"):
        uv_settings.configured(tmp_path)
