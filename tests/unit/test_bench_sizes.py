"""The table of what images hold is of what they have beside their base."""

from __future__ import annotations

from bench.sizes import Image, page


def image(name: str, *, folders: dict[str, float] | None = None, layers: float = 0, **packages: float) -> Image:
    return Image(name=name, packages=packages, folders=folders or {}, layers=layers)


def test_packages_of_the_base_do_not_count() -> None:
    base = image("base", bash=7, layers=100)
    before = image("x/before", bash=7, git=45, curl=400, small=2, layers=700)
    after = image("x/after", bash=7, curl=400, other=3, folders={"/lib/ffmpeg": 45.7}, layers=600)
    said = page(base, [before, after])
    assert "Met by x/before: **no**, x/after: yes." in said
    assert said.splitlines()[6:] == [
        "| MB | before | after |",
        "| --- | --- | --- |",
        "| **all packages** | 447.0 | 403.0 |",
        "| curl | 400.0 | 400.0 |",
        "| git | 45.0 |  |",
        "| those of less than 5 MB | 2.0 | 3.0 |",
        "| `/lib/ffmpeg` |  | 45.7 |",
        "| **all layers on the base** | 600.0 | 500.0 |",
    ]
