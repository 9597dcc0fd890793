"""The page of the desktop's stream is made of Selkies' own, and it is known who is connected to Selkies."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from visomaster_host import paths
from visomaster_host.portal import stream_page
from visomaster_host.portal.viewers import viewers
from visomaster_host.problems import Problem

HEAD = "Num       RefCount Protocol Flags    Type St Inode Path\n"
SCRIPT = '<script type="module" crossorigin src="./assets/index-Bp_O-1.js"></script>'
PAGE = f'<!doctype html><head><meta charset="utf-8"><title>Selkies</title>{SCRIPT}</head><body></body>'


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A folder as Selkies has its page in."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/selkies-core-Cd2.js").write_text("")
    (tmp_path / "index.html").write_text(PAGE)
    return tmp_path


def test_every_script_has_the_nonce(web: Path) -> None:
    """Its own script is not in the page any more: ours begins it, and the core, when it may."""
    made = (stream_page.page(web, "again();", "0a1b") or b"").decode()
    assert made.count("<script") == made.count('nonce="0a1b"') == 2
    assert 'data-then="assets/selkies-core-Cd2.js assets/index-Bp_O-1.js"' in made
    assert made.index("again();") < made.index("assets/stream.js")
    assert "Selkies</title>" not in made


def test_no_folder_no_page(tmp_path: Path) -> None:
    """Hosts with the guide's screen have no Selkies."""
    assert stream_page.page(tmp_path / "none", "", "0a1b") is None


@pytest.mark.parametrize("page", ["", PAGE + "<script>1</script>", PAGE.replace("assets", "static")])
def test_another_page_than_the_known_one(web: Path, page: str) -> None:
    """It names the file: what of it would run is not known."""
    (web / "index.html").write_text(page)
    with pytest.raises(Problem, match=r"index\.html: expected Selkies' page with one script, and its core, found "):
        stream_page.page(web, "", "0a1b")


def test_who_is_connected(tmp_path: Path) -> None:
    """The kernel's own table, with one who comes and goes."""
    path = tmp_path / "s.sock"
    assert viewers(path) == {"listening": False, "viewers": []}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert viewers(path) == {"listening": True, "viewers": []}
        with socket.socket(socket.AF_UNIX) as viewer, socket.socket(socket.AF_UNIX) as waiting:
            viewer.connect(str(path))
            taken, _ = listener.accept()
            with taken:
                waiting.connect(str(path))  # whom nobody has taken yet
                there = viewers(path)
                assert there["listening"] and len(there["viewers"]) == 1
        assert viewers(path) == {"listening": True, "viewers": []}


def test_a_table_with_other_things_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that begin alike, names with spaces, names that are none."""
    table = tmp_path / "unix"
    rows = (
        "0000000000000000: 00000002 00000000 00010000 0001 01 11 /run/s.sock",
        "0000000000000000: 00000003 00000000 00000000 0001 03 12 /run/s.sock",
        "0000000000000000: 00000003 00000000 00000000 0001 03 13 /run/s.sock.old",
        "0000000000000000: 00000003 00000000 00000000 0001 03 14 /run/s.sock and more",
        "0000000000000000: 00000003 00000000 00000000 0001 03 15",
    )
    table.write_text(HEAD + "\n".join(rows) + "\n")
    monkeypatch.setattr(paths, "UNIX_SOCKETS", table)
    assert viewers(Path("/run/s.sock")) == {"listening": True, "viewers": ["12"]}


def test_a_kernel_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page then tries, and asks nobody."""
    monkeypatch.setattr(paths, "UNIX_SOCKETS", tmp_path / "none")
    assert viewers(tmp_path / "s.sock") == {"listening": True, "viewers": []}
