"""The page of pulls: figures from what was measured."""

from __future__ import annotations

from bench.pull import LAYOUTS, LINES, PACKED, Pull, report


def test_the_page_has_medians_sizes_and_how_it_was_measured() -> None:
    pulls = [
        Pull(layout=layout, packed=packed, line=line, seconds=seconds, load=seconds / 10)
        for seconds in (10.0, 30.0, 20.0)
        for layout in LAYOUTS
        for packed in PACKED
        for line in LINES
    ]
    sizes = {(layout, packed): [20_000_000, *[10**9] * count] for layout, count in LAYOUTS.items() for packed in PACKED}
    page = report(pulls, sizes)
    assert "| three | zstd | 3020 | 1000, 1000, 1000 |\n" in page and "| one | gzip | 1020 | 1000 |\n" in page
    assert "| one, zstd | 20 (10 to 30) | 20 (10 to 30) |\n" in page
    assert "load 1.0 to 3.0 before a pull. Medians of 3 interleaved rounds" in page
