"""Any sequence of pieces, breaks, kills, flipped bytes, full disks, second clients ends with right files or parts."""

from __future__ import annotations

import base64
import hashlib
import random
import shutil
from contextlib import ExitStack
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from visomaster_host.workspace import parts, uploads
from visomaster_host.workspace.space import Space

from tests.unit.uploading import Body, Client, Said, tree

SIZES = st.sampled_from([0, 1, 499, 500, 501, 1000, 2345, 4000])
NAMES = st.sampled_from(["a.mp4", "b", "ü (2).mp4"])
CHECKSUMS = st.sampled_from(["", "good", "bad"])
SHARES = st.floats(0, 1)
PLENTY = Space(free=10**12, total=10**12)


class Uploading(RuleBasedStateMachine):
    """Clients that know what they send, a service that may be killed, and a disk that may be touched."""

    def __init__(self) -> None:
        super().__init__()
        self._opened = ExitStack()
        root = self._opened.enter_context(tree())
        self._roots = 0
        self._random = random.Random(7)
        self._space = PLENTY
        patches = [
            mock.patch.object(parts, "PIECE", 500),
            mock.patch.object(parts, "BUFFER", 130),
            mock.patch.object(uploads.Uploads, "complete"),  # in a thread of its own
            *(mock.patch.object(each, "space", lambda _: self._space) for each in (parts, uploads)),
        ]
        for patch in patches:
            self._opened.enter_context(patch)
        self.client = Client(root)
        self.sent: dict[str, tuple[str, bytes]] = {}  # what each upload that is not done is to become
        self.done: dict[str, tuple[str, bytes]] = {}
        self.touched = set[str]()  # whose part was written into from outside

    def teardown(self) -> None:
        self._opened.close()

    # -- what clients do

    @rule(size=SIZES, filename=NAMES, share=st.one_of(st.none(), SHARES), cut=st.booleans())
    def create(self, size: int, filename: str, share: float | None, cut: bool) -> None:
        data = self._random.randbytes(size)
        first = data[: int(size * share)] if share is not None else b""
        body = Body(first, cut=len(first) // 2 if cut and len(first) > 1 else None) if share is not None else None
        before = {each["id"] for each in self.client.listed()}
        said = self.client.create(size, filename, body=body)
        if said.status == 0:
            (name,) = {each["id"] for each in self.client.listed()} - before
            self.sent[name] = (filename, data)
        elif said.status == 201:
            self.sent[said.name] = (filename, data)
            self._settled(said.name, said)
        else:
            claimed = sum(each["size"] - each["offset"] for each in self.client.listed())
            assert said.status == 507 and self._space.room < size + claimed

    @precondition(lambda self: self.sent)
    @rule(
        pick=SHARES,
        share=SHARES,
        wrong=st.sampled_from([0, 0, 0, 0, 1, -1, 500]),
        checksum=CHECKSUMS,
    )
    def send(self, pick: float, share: float, wrong: int, checksum: str) -> None:
        name, data, offset = self._picked(pick)
        piece = data[offset : offset + int(len(data) * share) + 1]
        digest = hashlib.sha256(piece + (b"!" if checksum == "bad" else b"")).digest()
        headers = {"upload_checksum": f"sha256 {base64.b64encode(digest).decode()}"} if checksum else {}
        said = self.client.patch(name, max(0, offset + wrong), piece, **headers)
        if max(0, offset + wrong) != offset:
            assert said.status == 409 and said.offset == offset
        elif checksum == "bad":
            assert said.status in (460, 507) and (said.status == 507 or said.offset == offset)
        else:
            self._settled(name, said)

    @precondition(lambda self: self.sent)
    @rule(pick=SHARES, share=SHARES, at_once=st.sampled_from([1, 77, 1000]))
    def break_off(self, pick: float, share: float, at_once: int) -> None:
        name, data, offset = self._picked(pick)
        piece = data[offset:]
        if not piece:
            return
        cut = int((len(piece) - 1) * share)
        said = self.client.patch(name, offset, Body(piece, cut=cut, at_once=at_once))
        if said.status == 0:
            assert self.client.head(name).offset == offset + cut, "what has arrived counts"
        else:
            assert said.status == 507

    @precondition(lambda self: self.sent)
    @rule(pick=SHARES, other=st.sampled_from(["PATCH", "HEAD", "DELETE"]))
    def come_between(self, pick: float, other: str) -> None:
        """Another client asks for the same upload while one sends it."""
        name, data, offset = self._picked(pick)
        heard: list[Said] = []

        def meanwhile() -> None:
            if not heard:
                heard.append(self._as_other(other, name, offset, data))

        said = self.client.patch(name, offset, Body(data[offset:], meanwhile=meanwhile, at_once=100))
        if heard:
            assert heard[0].status == (200 if other == "HEAD" else 423)
            assert other != "HEAD" or offset <= heard[0].offset <= len(data)
        if other == "DELETE" and said.status == 0:
            assert name in {each["id"] for each in self.client.listed()}
        else:
            self._settled(name, said)

    def _as_other(self, method: str, name: str, offset: int, data: bytes) -> Said:
        if method == "PATCH":
            return self.client.patch(name, offset, b"\0" * len(data[offset:]))
        return self.client.ask(method, name)

    @precondition(lambda self: self.sent)
    @rule(pick=SHARES)
    def ask(self, pick: float) -> None:
        """One that has all its bytes becomes a file where somebody asks for it."""
        name, _, offset = self._picked(pick)
        assert offset <= self.client.head(name).offset or name in self.touched

    @precondition(lambda self: self.sent)
    @rule(pick=SHARES)
    def terminate(self, pick: float) -> None:
        name, _, _ = self._picked(pick)
        assert self.client.ask("DELETE", name).status == 204
        del self.sent[name]
        assert self.client.head(name).status == 404

    # -- what befalls the service and its disk

    @rule()
    def kill(self) -> None:
        self.client = self.client.restarted()

    @precondition(lambda self: self.sent)
    @rule(pick=SHARES, reads=st.integers(0, 30))
    def kill_while_sending(self, pick: float, reads: int) -> None:
        """What is on disk while some bytes are read is all that the next service finds."""
        name, data, offset = self._picked(pick)
        self._roots += 1
        later = self.client.root.with_name(str(self._roots))
        left = [reads]

        def meanwhile() -> None:
            left[0] -= 1
            if left[0] == 0:
                shutil.copytree(self.client.root, later)

        self.client.patch(name, offset, Body(data[offset:], meanwhile=meanwhile, at_once=60))
        if not later.exists():
            shutil.copytree(self.client.root, later)
            self.client = Client(later)
            self._look_at(name)
            return
        self.client = Client(later)
        assert self.client.head(name).offset >= offset or name in self.touched

    @precondition(lambda self: self.sent)
    @rule(pick=SHARES, at=SHARES, how=st.sampled_from(["flip", "cut", "add", "journal"]))
    def touch(self, pick: float, at: float, how: str) -> None:
        name, _, _ = self._picked(pick)
        if name not in self.sent:
            return
        part, journal = (self.client.root / ".uploads" / each for each in parts.files_of(name))
        path = journal if how == "journal" else part
        content = bytearray(path.read_bytes())
        place = int(at * (len(content) - 1))
        if how in ("flip", "journal") and content:
            content[place] ^= 1
        elif how == "cut":
            del content[place:]
        else:
            content += b"what nobody has acknowledged"
        path.write_bytes(content)
        if how != "add":
            self.touched.add(name)

    @rule(room=st.sampled_from([0, 100, 3000]))
    def fill(self, room: int) -> None:
        total = 1000
        self._space = Space(free=room + total // 20, total=total)

    @rule()
    def free(self) -> None:
        self._space = PLENTY

    # -- what holds

    def _picked(self, pick: float) -> tuple[str, bytes, int]:
        name = list(self.sent)[int(pick * (len(self.sent) - 1))]
        said = self.client.head(name)
        self._settled(name, said)
        if said.status == 500:
            said = self.client.head(name)
        data = self.sent[name][1] if name in self.sent else self.done[name][1]
        return name, data, said.offset

    def _look_at(self, name: str) -> None:
        self._settled(name, self.client.head(name))

    def _settled(self, name: str, said: Said) -> None:
        """Take note of what was answered of an upload."""
        assert said.status in (200, 201, 204, 500, 507), said
        assert said.status != 500 or name in self.touched, said
        if "X-File" in said.headers and name in self.sent:
            filename, data = self.sent.pop(name)
            assert said.headers["X-Sha256"] == hashlib.sha256(data).hexdigest()
            self.done[name] = (filename, data)

    @invariant()
    def every_file_is_right(self) -> None:
        seen = self.client.files()
        assert sorted(seen.values()) == sorted(data for _, data in self.done.values())

    @invariant()
    def every_other_one_is_listed(self) -> None:
        listed = {each["id"]: each for each in self.client.listed()}
        assert set(listed) == set(self.sent)
        for name, each in listed.items():
            assert each["size"] == len(self.sent[name][1]) and 0 <= each["offset"] <= each["size"]

    @invariant()
    def what_is_acknowledged_is_there(self) -> None:
        for each in self.client.listed():
            if each["id"] not in self.touched:
                part = self.client.root / ".uploads" / parts.files_of(each["id"])[0]
                assert part.read_bytes()[: each["offset"]] == self.sent[each["id"]][1][: each["offset"]]


Uploading.TestCase.settings = settings(max_examples=50, stateful_step_count=30, suppress_health_check=list(HealthCheck))
TestUploading = Uploading.TestCase
