"""What is wrong at the command line of rentals is one line."""

from __future__ import annotations

import pytest

from vast.__main__ import main

RENT = ["rent", "--variant", "alt", "--max-price", "0.4", "--hours", "4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (RENT[:3], "required: MAX_PRICE= (--max-price), HOURS= (--hours)"),
        (
            [*RENT, "--max-price", "cheap"],
            "MAX_PRICE= (--max-price): expected a number from 0.001 to 1000, got 'cheap'",
        ),
        ([*RENT, "--hours", "inf"], "HOURS= (--hours): expected a number from 0.1 to 720, got 'inf'"),
        ([*RENT, "--count", "0"], "COUNT= (--count): expected a whole number from 1 to 20, got '0'"),
        ([*RENT, "--variant", "big\nger"], "VARIANT= (--variant): invalid choice: "),
        ([*RENT, "--on-end", "sell"], "ON_END= (--on-end): invalid choice: 'sell'"),
        (["open"], "required: BOX= (--box)"),
        ([], "required: COMMAND"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the setting as `make` takes it, and the option."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["open", "--box", ""], "vast: BOX: expected a box's number, as `make boxes` lists it, got ''"),
        (["sync", "--box", "abc"], "vast: BOX: expected a box's number"),
        (["end", "--box", "1,x"], "vast: BOX: expected a box's number, as `make boxes` lists it, got 'x'"),
        ([*RENT, "--image", "YOUR_NAME/visomaster:latest"], "vast: image: YOUR_NAME stands for your own name at"),
        ([*RENT, "--image", "Jane/visomaster:latest"], "(names at Docker Hub are lower case: jane/visomaster)"),
        (["offers", "--variant", "alt", "--image", "your_name/visomaster"], "vast: image: your_name stands for"),
    ],
)
def test_it_is_said_before_a_key_is_asked_for(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no account yet learns what is wrong with what was typed, and nobody is asked anything."""
    monkeypatch.setenv("VAST_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("VAST_API_KEY", raising=False)
    assert main(words) == 1
    shown = capsys.readouterr()
    assert said in shown.err and len(shown.err.splitlines()) == 1
