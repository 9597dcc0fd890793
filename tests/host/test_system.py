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


def test_the_environment_is_on_the_path_of_logins_alone(host: Any) -> None:
    """What the host's first process starts finds the system's own Python, not the program's.

    Vast installs SSH and Jupyter with it when an instance starts.

    If not: take the program's environment out of the PATH that the image or the template sets.
    """
    variables = host.check_output("tr '\\0' '\\n' </proc/1/environ").splitlines()
    assert not [line for line in variables if line.startswith("PATH=") and str(paths.CONDA_BIN) in line]


def test_login_shells_find_the_environment(host: Any) -> None:
    """Somebody who logs in has the program's Python."""
    found = host.check_output("bash -lc 'command -v python'")  # the login may greet
    assert str(paths.PYTHON) in found.splitlines()


def test_fonts_are_indexed(host: Any) -> None:
    """Fonts are indexed, so that programs start fast.

    Who may not write the index would read all fonts anew whenever a program starts, for 0.2 s.
    """
    looked = host.run("setpriv --reuid=65534 --clear-groups env HOME=/nonexistent fc-cache -v 2>&1")
    folders = ("/usr/share/fonts/truetype", "/usr/share/fonts/opentype", "/usr/share/fonts/type1")
    lines = looked.stdout.splitlines()
    assert any(line.startswith(folders) for line in lines), looked.stdout
    assert [line for line in lines if line.startswith(folders) and "failed to write" in line] == []


def test_a_login_is_greeted(host: Any) -> None:
    """Whoever logs in on a terminal is told what this is, and nothing else is.

    What scp, rsync and `ssh HOST COMMAND` are sent before their answer breaks them.
    """
    file = host.file(str(paths.GREETING))
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)
    # What else a rented machine's own login says is not ours.
    unasked = host.check_output("sh -lc true") + host.check_output("bash -lc true")
    assert not any(said in unasked for said in ("VisoMaster", "visomaster-ready", "visomaster-credentials"))
    greeted = host.check_output("HOME=/nonexistent script -qec 'bash -ilc true' /dev/null </dev/null")
    assert all(said in greeted for said in ("visomaster-ready", "visomaster-credentials", str(paths.INPUT)))
