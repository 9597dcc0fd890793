"""The rule that root does nothing by path below a folder that others may write, as far as source text can show it.

Each place where an on-host program changes or reads something by a path is listed here with the folder it is in. A new
one fails this test: either it goes through `visomaster_host.beneath`, or it says why it need not.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from spec.here import FILES, ROOT

PACKAGE = FILES / "usr/local/lib/visomaster/visomaster_host"
BY_PATH = frozenset(
    {
        *(
            "chmod",
            "chown",
            "copy",
            "copy2",
            "copyfile",
            "copytree",
            "exists",
            "glob",
            "hardlink_to",
            "is_dir",
            "is_file",
            "isdir",
            "lexists",
        ),
        *("lchown", "link", "link_to", "makedirs", "mkdir", "mkfifo", "open", "read_bytes", "read_text", "remove"),
        *(
            "removedirs",
            "rename",
            "renames",
            "resolve",
            "rglob",
            "rmdir",
            "rmtree",
            "samefile",
            "scandir",
            "stat",
            "symlink",
        ),
        *("symlink_to", "touch", "truncate", "unlink", "utime", "walk", "write_bytes", "write_text"),
    }
)

DESCRIPTORS = frozenset(
    {"Folder", "beneath", "beneath.Folder", "folder", "locks", "program", "self._folder", "sockets", "stand_ins"}
)
"""What a folder of `visomaster_host.beneath` is called, and what goes through it."""

ROOTS = "in a folder of root's alone"
AS_OWNER = "in a process that is the user whose folder it is"
AS_PAGES = "in the pages' process, which is a user of its own"
OF_KEPT = {
    "kept/at_start": "lexists makedirs open",
    "kept/dialogs": "makedirs open",
    "kept/engines": "open",
    "kept/linking": "isdir lexists makedirs open rename symlink unlink",
    "kept/moving": "isdir lexists link makedirs mkdir open rename rmdir symlink unlink utime",
    "kept/workspaces": "lexists open read_bytes read_text rename unlink",
}
WHO_RUNS_IT = "a file that whoever calls the command names or may read"
ALLOWED = {
    ("container", "exists"): "what an engine leaves in /, and in /run",
    ("container", "rmtree"): "/run/visomaster, /var/lib/visomaster; by descriptors, in Python",
    ("environment", "read_bytes"): "/proc/1/environ",
    ("environment", "read_text"): "/etc/environment",
    ("fetch/engine", "open"): "a request to a server",
    ("fetch/links", "exists"): AS_OWNER,
    ("fetch/links", "is_file"): AS_OWNER,
    ("fetch/links", "resolve"): "this package's own place",
    **dict.fromkeys((("given", name) for name in ("open", "stat")), WHO_RUNS_IT),
    ("folders", "is_dir"): "where something is mounted, which only root does; it is looked at",
    ("fetch/progress", "open"): "/dev/null",
    ("fetch/transfer", "isdir"): WHO_RUNS_IT,
    ("host", "read_text"): ROOTS,
    **{(module, name): AS_OWNER for module, names in OF_KEPT.items() for name in names.split()},
    ("lease/activity", "open"): "/proc",
    ("lease/api", "open"): "a request to a server",
    ("lease/terms", "open"): ROOTS,
    **{("lease/door", name): ROOTS for name in ("chmod", "chown")},
    ("last_words", "open"): "/var/log/portal, /var/log/supervisor",
    ("limits", "read_text"): "/sys",
    ("memory", "read_text"): "/sys, /proc/self/cgroup",
    ("prepare", "exists"): ROOTS,
    ("portal/apply", "exists"): ROOTS,
    ("portal/apply", "read_bytes"): "/var/lib/visomaster/tls, or the platform's pair in /etc",
    ("portal/apply", "read_text"): ROOTS,
    ("portal/novnc", "read_text"): ROOTS,
    ("portal/front", "exists"): "/proc/net",
    ("portal/front", "read_text"): "/proc/net",
    **dict.fromkeys((("portal/logs", name) for name in ("is_file", "open", "scandir", "stat")), AS_PAGES),
    **dict.fromkeys((("portal/pages", name) for name in ("chmod", "unlink")), AS_PAGES),
    ("services/pulseaudio", "glob"): ROOTS,
    ("unix_sockets", "read_text"): "/proc/net",
    **dict.fromkeys((("portal/sessions", name) for name in ("is_dir", "open", "rmdir", "stat", "unlink")), AS_PAGES),
    **dict.fromkeys((("portal/stream_page", name) for name in ("glob", "read_text")), ROOTS),
    **dict.fromkeys((("portal/tls", name) for name in ("chmod", "lexists", "mkdir")), "/var/lib/visomaster/tls"),
    **dict.fromkeys((("workspace/server", name) for name in ("chmod", "unlink")), "in a process of the program's user"),
    ("workspace/listing", "scandir"): "a descriptor",
    ("workspace/listing", "stat"): "an entry of a descriptor's folder, links not followed",
    ("workspace/manage", "remove"): "of a folder of beneath",
    ("workspace/home/restoring", "utime"): "by descriptor",
    ("mounts", "read_text"): "/proc/self/mountinfo",
    ("prepared", "read_text"): ROOTS,
    ("prepare", "rmtree"): "/run/visomaster, /var/lib/visomaster; by descriptors, in Python",
    ("prepare", "unlink"): ROOTS,
    ("services/xvfb", "exists"): "/usr/share/glvnd",
    ("problems", "open"): "/dev/null",
    ("refusals", "read_text"): "/proc/self/status",
    ("run_service", "open"): "/proc/1/fd/1",
    ("run_service", "stat"): "this package's own files",
    ("runs", "open"): ROOTS,
    ("runs", "read_text"): "/proc",
    ("runs", "stat"): "/var/log/portal, /var/log/supervisor",
    ("settings", "read_text"): ROOTS,
    ("start", "open"): ROOTS,
    ("start", "read_text"): "/proc/1/comm",
    **dict.fromkeys((("stand_ins", name) for name in ("isdir", "rmtree")), ROOTS),
    ("store", "read_text"): ROOTS,
    ("store", "remove"): "of a folder of beneath",
    ("workspace/parts", "copy"): "a hash",
    ("workspace/placing", "utime"): "by descriptor",
    ("vnc_access", "read_bytes"): "/var/lib/visomaster/tls, or the platform's pair in /etc",
}


def module(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def calls_by_path(source: str) -> set[str]:
    """The functions called in `source` that look a path up; one that is told a descriptor's folder does not."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        told = {word.arg for word in node.keywords} & {"dir_fd", "src_dir_fd", "dst_dir_fd"}
        if name in BY_PATH and not told and owner not in DESCRIPTORS:
            found.add(name)
    return found


def test_every_place_that_works_by_path_is_known() -> None:
    sources = [path for path in PACKAGE.rglob("*.py") if module(path) != "beneath"]
    found = {(module(path), name) for path in sources for name in calls_by_path(path.read_text(encoding="utf-8"))}
    assert found - set(ALLOWED) == set(), "goes by path: through visomaster_host.beneath, or say here why not"
    assert set(ALLOWED) - found == set(), "is not there any more"


@pytest.mark.parametrize(
    "text", ["path.unlink()", "os.remove(path)", "shutil.rmtree(path)", "open(path)", "os.open(p, 0)"]
)
def test_a_new_one_is_noticed(text: str) -> None:
    assert calls_by_path(text)
    assert not calls_by_path("os.open(name, 0, dir_fd=folder); Folder.open(path); folder.rename(a, b)")


def test_launchers_find_nothing_in_the_folder_they_are_called_in() -> None:
    """-I: neither that folder nor the caller's PYTHONPATH is searched."""
    launchers = [*(FILES / "usr/local/bin").iterdir(), PACKAGE / "supervisord"]
    assert launchers
    for launcher in launchers:
        assert re.match(r"#!/usr/bin/python3 -I", launcher.read_text(encoding="utf-8")), launcher


@pytest.mark.parametrize("source", sorted((ROOT / "operations").rglob("*.py")), ids=lambda path: path.name)
def test_operations_start_pythons_that_find_nothing_there(source: Path) -> None:
    """`-c` and `-m` search the folder they are called in before everything else."""
    text = source.read_text(encoding="utf-8")
    for started in re.findall(r"""python3"?,? "?-\\w""", text.replace("\n", " ")):
        assert started.endswith("-I"), f"{source}: {started}"
