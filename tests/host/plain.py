"""The host tests' report in plain words, one line a check."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import pytest
from visomaster_host.text import brief, lines

ADVICE = "If not:"
_HOST = "_testinfra_host"
_NO_ADVICE = "apply deploy.py once more, then check again; if it stays, show this output to somebody"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One test as a person reads it; `found` is why it did not pass."""

    sentence: str
    advice: str
    host: str
    found: str


def check_of(item: pytest.Item, call: pytest.CallInfo[None]) -> Check:
    """The words for `item`, from its docstring and its parameters."""
    function: Any = item
    paragraphs = inspect.cleandoc(function.obj.__doc__ or function.originalname.replace("_", " ")).split("\n\n")
    advice = [paragraph.removeprefix(ADVICE) for paragraph in paragraphs if paragraph.startswith(ADVICE)]
    parameters = {**(function.callspec.params if hasattr(item, "callspec") else {})}
    parameters.pop(_HOST, None)
    about = next(iter(parameters.values()), None)
    sentence = paragraphs[0].split("\n")[0].rstrip(".:")
    return Check(
        sentence=f"{sentence}: {about}" if about else sentence,
        advice=" ".join((advice[0] if advice else _NO_ADVICE).split()),
        host=name_of(item),
        found=_reason(call),
    )


def host_of(item: pytest.Item) -> Any:
    """The host that `item` checks, or None."""
    function: Any = item
    return function.callspec.params.get(_HOST) if hasattr(item, "callspec") else None


def name_of(item: pytest.Item) -> str:
    """What the host that `item` checks is called; empty when there is none."""
    host = host_of(item)
    return named(host.backend) if host else ""


def named(backend: Any) -> str:
    """What a host is called on the command line: with its user and port, where testinfra's own name has neither."""
    spec = getattr(backend, "host", None)
    if spec is None:
        return str(backend.get_pytest_id())
    user, port = f"{spec.user}@" if spec.user else "", f":{spec.port}" if spec.port else ""
    return f"{backend.NAME}://{user}{spec.name}{port}"


def clean(report: pytest.TestReport) -> None:
    """What a host has said may be shown wherever pytest shows it: in a traceback, or captured."""
    report.sections = [(title, lines(text)) for title, text in report.sections]
    if report.failed:
        report.longrepr = lines(report.longreprtext)


def _reason(call: pytest.CallInfo[None]) -> str:
    """The first line of what a test failed or was skipped with."""
    if call.excinfo is None:
        return ""
    said = [line for line in str(call.excinfo.value).splitlines() if line.strip()]
    return brief(said[0].removeprefix("assert ").strip()) if said else call.excinfo.typename


class Report:
    """Writes each check as it ends, and one line in the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._host = ""
        self._counts = {"ok": 0, "FAILED": 0, "-": 0}

    def _write(self, line: str, **markup: bool) -> None:
        self._config.pluginmanager.getplugin("terminalreporter").write_line(line, **markup)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """No dots: the line says it."""
        if not hasattr(report, "check"):
            return None
        passed = report.passed and report.when != "call"
        return "" if passed else report.outcome, "", ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write the check that has just been made."""
        check = getattr(report, "check", None)
        if check is None or (report.passed and report.when != "call"):
            return
        if check.host != self._host:
            self._host = check.host
            self._write(f"\n{check.host}", bold=True)
        word = "ok" if report.passed else "-" if report.skipped else "FAILED"
        self._counts[word] += 1
        if report.passed:
            self._write(f"{word:8}{check.sentence}", green=True)
        elif report.skipped:
            self._write(f"{word:8}{check.sentence}: {check.found.removeprefix('Skipped: ')}")
        else:
            self._write(f"{word:8}{check.sentence}", red=True)
            self._write(f"{'':8}found:  {check.found}")
            self._write(f"{'':8}to do:  {check.advice}")

    def pytest_terminal_summary(self) -> None:
        """One line that says whether all is well."""
        made = self._counts["ok"] + self._counts["FAILED"]
        if not made:
            return
        left = f" ({self._counts['-']} could not be made here)" if self._counts["-"] else ""
        if self._counts["FAILED"]:
            verdict = (
                f"{self._counts['FAILED']} of {made} checks FAILED{left}: do what `to do` says, the first one first"
            )
        else:
            verdict = f"All {made} checks are ok{left}: this host is as it should be"
        self._write(f"\n{verdict}", bold=True)
