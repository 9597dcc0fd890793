"""Who is logged in, as files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from visomaster_host.portal.sessions import LASTS, MOST, Session, Sessions

PATH = "p" * 22


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    found = Clock()
    found.now = tmp_path.stat().st_mtime
    return found


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Sessions:
    return Sessions(tmp_path / "token", PATH, clock)


def alive(folder: Path, session: Session) -> bool:
    """As Caddy asks."""
    return (folder / "token" / session.name).is_file()


def test_a_session_is_a_path_and_a_secret(sessions: Sessions, tmp_path: Path) -> None:
    first, second = sessions.begin(), sessions.begin()
    assert (first.base, second.base) == (f"/~{PATH}", f"/~{PATH}")
    assert first.cookie != second.cookie
    assert re.fullmatch("[A-Za-z0-9_-]{43}", first.cookie)
    assert first.cookie not in repr(first)
    assert alive(tmp_path, first) and alive(tmp_path, second)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o711  # nobody else lists the names
    assert sessions.end(first.name) == first.base
    assert sessions.end(first.name) == first.base
    assert sessions.end(f"../{second.name}") is None
    assert (alive(tmp_path, first), alive(tmp_path, second)) == (False, True)


def test_sessions_outlive_a_restart_and_not_another_token(sessions: Sessions, tmp_path: Path, clock: Clock) -> None:
    session = sessions.begin()
    Sessions(tmp_path / "token", PATH, clock)
    assert alive(tmp_path, session)
    Sessions(tmp_path / "other", PATH, clock)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_session_is_over_after_its_time(sessions: Sessions, tmp_path: Path, clock: Clock) -> None:
    session = sessions.begin()
    clock.now += LASTS - 10
    sessions.tidy()
    assert alive(tmp_path, session)
    clock.now += 20
    sessions.tidy()
    assert not alive(tmp_path, session)


def test_the_oldest_go_when_there_are_too_many(sessions: Sessions, tmp_path: Path, clock: Clock) -> None:
    begun = []
    for number in range(MOST + 3):
        begun.append(sessions.begin())
        file = tmp_path / "token" / begun[-1].name
        os.utime(file, (clock.now + number, clock.now + number))
    assert [alive(tmp_path, session) for session in begun[:4]] == [False, False, False, True]
    assert len(list((tmp_path / "token").iterdir())) == MOST
