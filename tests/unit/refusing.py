"""A program of the host, in a tree of its own, where the operating system says no: python refusing.py ROOT PROGRAM

Run by `test_refusals.py`, since the programs know their paths from the moment they are imported. Everything that
changes a file passes CPython's audit hooks, whoever calls it; so what is walked through is what the programs do, and no
list of it can become old.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import pwd
import re
import shutil
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = REPOSITORY / "files"
sys.path.insert(0, str(FILES / "usr/local/lib/visomaster"))

from visomaster_host import paths  # noqa: E402

ROOT = Path(sys.argv[1])
AS_THEY_ARE = ("OWN_STATUS", "SYSTEM_PYTHON")
SHIPPED = ("PORTAL_SHARE",)
KEPT = [
    {"path": "presets", "folder": True, "by": "", "seed": ""},
    {"path": "last_workspace.json", "folder": False, "by": "", "seed": ""},
    {"path": "settings.json", "folder": False, "by": "", "seed": "{}"},
]
for name, value in list(vars(paths).items()):
    if isinstance(value, Path) and name not in AS_THEY_ARE:
        setattr(paths, name, Path(f"{FILES if name in SHIPPED else ROOT}{value}"))

from visomaster_host import identity, reserve, run_service, start, supervisor  # noqa: E402
from visomaster_host.choices import Access, ModelsAt, Screen  # noqa: E402
from visomaster_host.fetch import cli  # noqa: E402
from visomaster_host.fetch.schedule import Policy  # noqa: E402
from visomaster_host.portal import front, pages  # noqa: E402
from visomaster_host.portal.report import Readiness, Sources  # noqa: E402
from visomaster_host.portal.sessions import Sessions  # noqa: E402
from visomaster_host.problems import reporting  # noqa: E402
from visomaster_host.services import services_for  # noqa: E402

ERRNOS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM)
TOKEN = "a-token-of-16-letters-or-more"
NEEDS_ROOM = ("os.mkdir", "os.rename", "os.symlink", "open to make")
WRITES = ("os.chmod", "os.chown", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate")


class Became(Exception):
    """The program became another one."""


class System:
    """The operating system: it notes what is changed, and says `number` at `target` and at all below it."""

    def __init__(self) -> None:
        self.target: Path | None = None
        self.number = 0
        self.changed: set[Path] = set()
        self.working = False
        self._folder = threading.local()
        self._open = os.open
        os.open = self.open
        sys.addaudithook(self.hook)

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """`os.open`, whose audit event does not say below which folder."""
        self._folder.descriptor = dir_fd
        try:
            return self._open(path, flags, mode, dir_fd=dir_fd)
        finally:
            self._folder.descriptor = None

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called for everything that is done."""
        if not self.working or not (event == "open" or event in WRITES):
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
                return
            places = [(path, getattr(self._folder, "descriptor", None))]
            makes = flags & os.O_CREAT and not exists(*places[0])
            event = "open to make" if makes else "open to change"
        elif event == "os.rename":
            source, place, source_folder, folder = arguments
            places = [(source, source_folder), (place, folder)]
        elif event == "os.symlink":
            places = [(arguments[1], arguments[2])]
        else:
            places = [(arguments[0], arguments[-1] if len(arguments) > 1 and event != "os.truncate" else None)]
        for path, folder in places:
            self.change(event, path, folder)

    def change(self, event: str, path: Any, folder: int | None) -> None:
        """Note one place, or say no. Raises OSError."""
        place = canonical(path, folder)
        if not place.is_relative_to(ROOT):
            return
        self.changed.add(place)
        refused = self.target is not None and place.is_relative_to(self.target)
        if refused and (self.number != errno.ENOSPC or event in NEEDS_ROOM):
            raise OSError(self.number, os.strerror(self.number), None if isinstance(path, int) else path)


def exists(path: Any, folder: int | None) -> bool:
    """Whether something of that name is there."""
    with contextlib.suppress(OSError):
        whereabouts(path, folder).lstat()
        return True
    return False


def whereabouts(path: Any, folder: int | None) -> Path:
    """The whole path of what is named by descriptor, or below one."""
    if isinstance(path, int):
        return Path(f"/proc/self/fd/{path}").readlink()
    above = Path(f"/proc/self/fd/{folder}").readlink() if folder is not None and folder >= 0 else Path.cwd()
    return above / os.fsdecode(path)


def canonical(path: Any, folder: int | None) -> Path:
    """The place that is meant: names for a moment are those of what they become, random ones are a star."""
    whole = whereabouts(path, folder)
    if not whole.is_relative_to(ROOT) or whole == ROOT:
        return whole
    name = re.sub(r"^\.(.+)\.[0-9a-f]{16}\.new(\.aside)?$", r"\1", whole.name).lstrip(".")
    return whole.with_name(re.sub(r"^[\w-]{22}\.[\w-]{43}$", "*", name))


system = System()


def begin(access: str, port: int, screen: str) -> None:
    """A new tree, as a deploy leaves it."""
    shutil.rmtree(ROOT, ignore_errors=True)
    chosen, models = Access(access), ModelsAt.START
    facts = {"application": "x", "window_title": "x", "access": access, "models": "start", "port": port}
    tls_port = 11443 if access == "portal" else 0
    more = {"tls_port": tls_port, "screen": screen, "geometry": "1920x1080x24", "display": ":77"}
    more |= {"commit": "0" * 40, "cuda_libraries": [], "state": KEPT}
    services = [service.name for service in services_for(chosen, models, Screen(screen))]
    for folder in (
        paths.ETC,
        paths.PROGRAM,
        paths.NOVNC,
        paths.SUPERVISOR_LOGS,
        paths.PORTAL_LOGS,
        paths.X11_LOCKS,
        paths.WORKSPACE,
    ):
        folder.mkdir(parents=True)
    paths.X11_LOCKS.chmod(0o1777)
    paths.HOST.write_text(json.dumps({**facts, **more, "services": services}))
    (paths.NOVNC / "vnc.html").write_text("<html><script></script></html>")
    paths.FIRST_ENVIRONMENT.parent.mkdir(parents=True)
    paths.FIRST_ENVIRONMENT.write_bytes(b"VAST_CONTAINERLABEL=C.7\0")
    (paths.PROGRAM / "last_workspace.json").write_text("{}")
    (paths.PROGRAM / "presets").mkdir()
    (paths.PROGRAM / "presets/one.json").write_text("{}")


def starting() -> int:
    """visomaster-start, as a container's main program."""
    return start.main([])


def service(name: str) -> Callable[[], int]:
    """visomaster-service NAME."""
    return lambda: run_service.main([name])


def logging_in() -> int:
    """The portal's pages: a visitor begins a session, one ends."""

    def serve() -> int:
        sessions = Sessions(paths.SESSIONS / ("0" * 32), "x" * 22)
        site = pages.Site(sources=Sources(readiness=Readiness(tuple)), templates=ROOT, sessions=sessions, cookie="c")
        with pages.Server(site, paths.PAGES_SOCKET) as server, socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(str(paths.PAGES_SOCKET))
            visitor.sendall(b"GET /session/new HTTP/1.0\r\n\r\n")
            server.handle_request()
            answer = visitor.makefile("rb").read()
            server._tidied = -1e9
            server.service_actions()
        print(answer.splitlines()[0].decode())
        return 0

    return reporting("visomaster-portal", serve)


def fetching() -> int:
    """visomaster-fetch, of a file that is at hand."""
    return cli.main(["--manifest", str(ROOT / "models.json"), "--state", str(paths.FETCH_STATE)], policy=QUICK)


QUICK = Policy(tries=1, backoff=0.01)
PROGRAMS: dict[str, tuple[str, str, Callable[[], int]]] = {
    "start-vnc": ("vnc", "tigervnc", starting),
    "start-portal": ("portal", "tigervnc", starting),
    **{
        f"service-{each.name}": (access.value, screen.value, service(each.name))
        for screen in (Screen.GUIDE, Screen.TIGERVNC)
        for access in (Access.PORTAL, Access.VNC)
        for each in services_for(access, ModelsAt.START, screen)
    },
    "pages": ("portal", "tigervnc", logging_in),
    "fetch": ("portal", "tigervnc", fetching),
}


def stand_in_for_the_world() -> None:
    """What a program asks of others than the file system; nobody but us is there."""

    def became(*_: Any, **__: Any) -> Any:
        raise Became

    pwd.getpwnam = lambda name: pwd.struct_passwd((name, "x", 1, 1, "", "/", "/bin/sh"))
    os.execve, os.fork, run_service.run_once, run_service.become = became, lambda: 1, became, became
    start.is_main_program = lambda *_: True
    supervisor.is_listening = lambda: False
    run_service.wait_for = lambda need, host: None
    run_service.give_up_root = lambda user, groups: None
    run_service.end_with_parent = lambda number: None
    identity.done_as = lambda user, program, work, within: work() is None
    run_service.which = lambda program, folders: program
    os.chdir = lambda folder: None
    os.fsync = lambda descriptor: None
    reserve.SIZE = 1024
    front.listen = lambda port, owner: socket.socket()
    front.reserve_ipv6 = lambda port, owner: None


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """What is said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield said


def run(act: Callable[[], int], target: Path | None = None, number: int = 0) -> dict[str, Any]:
    """One run: how it ended, what was said."""
    status: int | str
    error = ""
    threading.excepthook = lambda arguments: print("Traceback of a thread", arguments.exc_value, file=sys.stderr)
    with captured() as said:
        system.target, system.number, system.working = target, number, True
        try:
            status = act()
        except Became:
            status = 0
        except BaseException:
            status, error = 1, traceback.format_exc()
        finally:
            system.working = False
    place = "" if target is None else f"/{target.relative_to(ROOT)}"
    said_lines = said.getvalue().replace(str(ROOT), "").splitlines()
    return {"target": place, "errno": os.strerror(number), "status": status, "said": said_lines, "error": error}


def copy(source: Path, place: Path) -> None:
    """The same tree, whose is whose included."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place, symlinks=True, ignore=lambda folder, names: sockets(folder, names))
    for path in (source, *source.rglob("*")):
        copied, status = place / path.relative_to(source), path.lstat()
        if os.path.lexists(copied):
            os.chown(copied, status.st_uid, status.st_gid, follow_symlinks=False)


def sockets(folder: str, names: list[str]) -> list[str]:
    """Those of `names` that cannot be copied."""
    return [name for name in names if Path(folder, name).is_socket()]


def main() -> None:
    """Print one JSON object a run."""
    access, screen, act = PROGRAMS[sys.argv[2]]
    stand_in_for_the_world()
    os.environ.clear()
    os.environ.update({"PATH": "/usr/bin:/bin", "ENABLE_HTTPS": "false", "OPEN_BUTTON_TOKEN": TOKEN})
    before, after = Path(f"{ROOT}.before"), Path(f"{ROOT}.after")
    begin(access, 11111, screen)
    if act is not starting:
        assert run(starting)["status"] == 0
    if act is fetching:
        serve_model()
    copy(ROOT, before)
    system.changed.clear()
    good = run(act)
    copy(ROOT, after)
    changed = {place for path in system.changed for place in (path, *path.parents) if place.is_relative_to(ROOT)}
    print(json.dumps({**good, "changed": sorted(f"/{path.relative_to(ROOT)}" for path in changed)}))
    os.environ["VAST_TCP_PORT_11111"], os.environ["PUBLIC_IPADDR"] = "40001", "203.0.113.7"
    for tree, when in ((before, "first"), (after, "again")):
        for target in sorted(changed - {ROOT}):
            for number in ERRNOS:
                copy(tree, ROOT)
                print(json.dumps({**run(act, target, number), "when": when}), flush=True)


def serve_model() -> None:
    """A server with one model, and the manifest that names it."""
    import hashlib
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    body = b"model"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = {"path": "model_assets/m.onnx", "group": "required", "sha256": hashlib.sha256(body).hexdigest()}
    url = f"http://127.0.0.1:{server.server_port}/m.onnx"
    (ROOT / "models.json").write_text(json.dumps({"schema": 1, "files": [{**file, "url": url, "size": len(body)}]}))


if __name__ == "__main__":
    main()
