"""Take home and bring back, as the page asks for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from http import HTTPStatus

from visomaster_host.host import Host, read_host
from visomaster_host.kept.workspaces import end_program, open_previous, previous_workspace
from visomaster_host.problems import Problem
from visomaster_host.workspace.download import attachment
from visomaster_host.workspace.exchange import Answer, Refused, Request, as_json, only, refused_by_system
from visomaster_host.workspace.fields import Fields
from visomaster_host.workspace.tree import Tree, elements_of


class Home:
    """`GET state`, `GET` and `POST restore`, `POST previous`."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def state(self, request: Request) -> Answer:
        """All that the program keeps, with `out=yes` the results too, as a zip. Raises `Refused`, OSError."""
        from visomaster_host.workspace.home.saving import Archive, Changed, Wanted, look  # 2 ms, for few requests

        only(request, "GET", "HEAD")
        wanted = Wanted.of(_host(), out=request.one("out") == "yes")
        archive = Archive(self._tree, look(self._tree, wanted), wanted)

        def send(connection: socket.socket) -> None:
            try:
                archive.write(connection.sendall)
            except Changed as changed:  # a length was promised: an end that comes early tells so
                raise ConnectionAbortedError(str(changed)) from None

        headers = {"Content-Type": "application/zip", "Content-Disposition": attachment(archive.name)}
        return Answer(headers=headers, length=archive.length, send=send)

    def restore(self, request: Request) -> Answer:
        """What bringing a zip back would do, or with POST do it. Raises `Refused`, OSError."""
        from visomaster_host.workspace.home.restoring import Restore  # 6 ms, for few requests

        only(request, "GET", "POST")
        asked = request.one("path") if request.method == "GET" else Fields(request, "path").text("path")
        descriptor = self._open(asked)
        try:
            wanted = Restore(self._tree, descriptor, _host().application)
            if request.method == "POST":
                done = wanted.restore()
                if wanted.is_the_programs(done):
                    end_program()
                return as_json({"restored": len(done.work)})
            plan, about = wanted.plan(), wanted.manifest
        except Refused as refused:
            raise Refused(refused.status, f"{asked}: {refused}", refused.headers, refused.more) from None
        finally:
            os.close(descriptor)
        told = {"application": about.application, "saved": about.saved, "left_out": about.left_out}
        does = {"new": plan.new, "same": plan.same, "replaced": plan.replaced}
        return as_json({**told, **does, "starts_anew": wanted.is_the_programs(plan)})

    def previous(self, request: Request) -> Answer:
        """Have the program started anew and offer what was open last time. Raises `Refused`, OSError."""
        only(request, "POST")
        try:
            open_previous()
        except Problem as problem:
            raise Refused(HTTPStatus.NOT_FOUND, str(problem)) from None
        return as_json({})

    def _open(self, path: str) -> int:
        elements = elements_of(path)
        with self._tree.above(elements) as folder:
            try:
                return folder.open_file(elements[-1])
            except OSError as error:
                raise refused_by_system(error) from None


def told_previous() -> Mapping[str, object] | None:
    """When what was open last time was written, in ms since 1970; None without any."""
    try:
        found = previous_workspace()
    except Problem:
        return None
    return {"modified": found[1]} if found else None


def _host() -> Host:
    try:
        return read_host()
    except Problem as problem:
        raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, str(problem)) from None
