"""What is read from a trace: a promise before its sync is found, by whichever thread it was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drills import files_order

ROOT = Path("/w")
WRITTEN = '7 pwrite64(5</w/.uploads/x.part>, "aa"..., 2, 0) = 2'
SYNCED = "7 fdatasync(5</w/.uploads/x.part>) = 0"
SAID = '7 sendto(4<socket:[1]>, "HTTP/1.1 204 No Content\\r\\n"..., 99, 0, NULL, 0) = 99'
LINKED = '7 linkat(8</w/.uploads>, "x.part", 9</w/in>, "film.mp4", 0) = 0'
LISTED = "7 fsync(9</w/in>) = 0"
NEW = '7 write(5</w/.uploads/.x.new>, "aa", 2) = 2'
RENAMED = '7 renameat(8</w/.uploads>, ".x.new", 8</w/.uploads>, "x") = 0'
SYNCED_X = "7 fsync(5</w/.uploads/x>) = 0"
PART, IN = "/w/.uploads/x.part", "/w/in"


@pytest.mark.parametrize(
    ("log", "lost"),
    [
        ([WRITTEN, SYNCED, SAID], {}),
        ([WRITTEN, SAID, SYNCED], {PART: "pwrite64"}),
        ([SYNCED, WRITTEN, SAID], {PART: "pwrite64"}),
        ([WRITTEN, SYNCED.replace("= 0", "= -1 EIO (Input/output error)"), SAID], {PART: "pwrite64"}),
        ([WRITTEN, "8 fdatasync(5</w/.uploads/x.part> <unfinished ...>", SAID, "8 <... fdatasync resumed>) = 0"],
         {PART: "still being written"}),
        ([WRITTEN, SYNCED, LINKED, LISTED, SAID], {}),
        ([WRITTEN, SYNCED, LINKED, SAID, LISTED], {IN: "linkat film.mp4"}),
        (['7 openat(8</w/.uploads>, "y", O_WRONLY|O_CREAT, 0600) = 3</w/.uploads/y>', SAID],
         {"/w/.uploads": "openat y"}),
        ([NEW, RENAMED, SAID], {"/w/.uploads/x": "write", "/w/.uploads": "renameat x"}),
        ([NEW, RENAMED, LISTED.replace("in>", ".uploads>"), SYNCED_X, SAID], {}),
        (['7 openat(8</w/aside>, "y", O_WRONLY|O_CREAT, 0600) = 3</w/aside/y>', SAID], {}),
        (['7 openat(8</w/.uploads>, "y", O_RDONLY) = 3</w/.uploads/y>', SAID], {}),
    ],
)  # fmt: skip
def test_what_the_power_would_take_when_it_was_promised(log: list[str], lost: dict[str, str], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("\n".join(log), encoding="utf-8")
    assert files_order.promises(trace, ROOT, ROOT / "aside", 204) == [lost]
