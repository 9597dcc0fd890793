"""What the outside says of language and time, on a host that may not have it."""

from __future__ import annotations

import locale
from pathlib import Path

import pytest
from visomaster_host import locales, paths, run_service
from visomaster_host.services import known


@pytest.mark.parametrize(
    ("name", "usable"),
    [
        ("C.UTF-8", True),
        ("C.utf8", True),
        ("POSIX", False),
        ("C", False),
        ("", False),
        ("UTF-8", False),  # what a Mac's SSH sends
        ("de_DE.ISO-8859-1", False),
        ("de_DE@euro", False),
        ("xx_XX.UTF-8", False),  # not installed anywhere
        ("../../x.UTF-8", False),
        ("C.UTF-8\n", False),
    ],
)
def test_a_locale_in_which_any_file_can_be_opened(name: str, usable: bool) -> None:
    before = locale.setlocale(locale.LC_CTYPE)
    assert locales.is_usable(name) == usable
    assert locale.setlocale(locale.LC_CTYPE) == before


@pytest.mark.parametrize("name", ["LC_ALL", "LC_CTYPE"])
@pytest.mark.parametrize("value", ["POSIX", "de_DE.ISO-8859-1", "xx_XX.UTF-8"])
def test_no_service_is_given_another_one(name: str, value: str) -> None:
    seen = run_service.environment(known()["visomaster_app"], {}, {name: value, "LC_TIME": "C.UTF-8"})
    assert name not in seen
    assert (seen["LANG"], seen["LC_TIME"]) == ("C.UTF-8", "C.UTF-8")


@pytest.mark.parametrize("service", known())
def test_every_log_is_of_one_time_zone(service: str) -> None:
    assert run_service.environment(known()[service], {}, {"TZ": "Asia/Tokyo"})["TZ"] == "Asia/Tokyo"


@pytest.fixture
def zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zones/Europe").mkdir(parents=True)
    (tmp_path / "zones/Europe/Berlin").touch()
    (tmp_path / "secret").touch()
    monkeypatch.setattr(paths, "ZONES", tmp_path / "zones")


@pytest.mark.usefixtures("zones")
@pytest.mark.parametrize(
    "zone", ["", "Europe/Berlin", ":Europe/Berlin", "UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3", "EST5EDT"]
)
def test_a_time_zone_that_can_be_used(zone: str) -> None:
    assert locales.zone_problem(zone) == ""


@pytest.mark.usefixtures("zones")
@pytest.mark.parametrize("zone", ["Europe/Nowhere", "Europe", "berlin", "../secret", "/etc/passwd", "a\0b", "+3", "\n"])
def test_one_that_cannot_is_named(zone: str) -> None:
    said = locales.zone_problem(zone)
    assert said.startswith("TZ: expected a time zone such as Europe/Berlin, got ") and repr(zone) in said
