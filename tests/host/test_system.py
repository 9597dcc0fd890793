"""The system: who owns what, and who runs as whom."""

from __future__ import annotations

from typing import Any

import pytest
from visomaster_host import paths, users

from operations.facts.dpkg import MissingPackages
from spec.distribution import Release, package_names
from spec.packages import DESKTOP, SYSTEM


def release(host: Any) -> Release:
    fields = dict(
        line.split("=", 1) for line in host.file("/etc/os-release").content_string.splitlines() if "=" in line
    )
    return Release.of({key.lower(): value.strip('"') for key, value in fields.items()})


def test_packages_are_installed(host: Any) -> None:
    """The system has all packages it needs.

    Each by the name its release uses, or a second run would install it again.
    """
    fact = MissingPackages()
    question = fact.command(package_names((*SYSTEM, *DESKTOP), release(host)))
    assert fact.process(host.check_output(question.get_raw_value()).splitlines()) == []


def test_the_user_is_unprivileged(host: Any) -> None:
    """The program's user is no administrator.

    The program runs code of strangers (plug-ins, models): it must not own the machine.
    """
    user = host.user(users.DESKTOP)
    assert user.exists and user.uid != 0 and user.home == str(paths.HOME)
    assert set(user.groups) <= {users.DESKTOP}


@pytest.mark.parametrize(
    ("path", "owner", "mode"),
    [
        ("/app", "root", 0o755),
        (str(paths.PROGRAM), users.DESKTOP, 0o755),
        (str(paths.MODELS), "root", 0o755),
        (str(paths.DEPENDENCIES), "root", 0o755),
        (str(paths.WORKSPACE), users.DESKTOP, 0o755),
        (str(paths.SUPERVISOR_LOGS), "root", 0o755),
        (str(paths.PORTAL_LOGS), "root", 0o755),
        (str(paths.ETC), "root", 0o755),
    ],
)
def test_the_folders_of_the_guide(host: Any, path: str, owner: str, mode: int) -> None:
    """A folder of the guide is there and belongs to whom it should."""
    folder = host.file(path)
    assert (folder.is_directory, folder.user, folder.group, folder.mode) == (True, owner, owner, mode)


def test_the_distribution_python_is_not_shadowed(host: Any) -> None:
    """The system's own Python is the one that is found first.

    Vast installs SSH and Jupyter with the system's python3 when an instance starts.

    If not: remove the other python3 from the folders that `echo $PATH` shows.
    """
    assert host.check_output("command -v python3") == "/usr/bin/python3"


def test_login_shells_find_the_environment(host: Any) -> None:
    """Somebody who logs in has the program's Python."""
    assert host.check_output("bash -lc 'command -v python'") == str(paths.PYTHON)


def test_fonts_are_indexed(host: Any) -> None:
    """Fonts are indexed, so that programs start fast.

    Who may not write the index would read all fonts anew whenever a program starts, for 0.2 s.
    """
    looked = host.run("setpriv --reuid=65534 --clear-groups env HOME=/nonexistent fc-cache -v 2>&1")
    folders = ("/usr/share/fonts/truetype", "/usr/share/fonts/opentype", "/usr/share/fonts/type1")
    lines = looked.stdout.splitlines()
    assert any(line.startswith(folders) for line in lines), looked.stdout
    assert [line for line in lines if line.startswith(folders) and "failed to write" in line] == []
