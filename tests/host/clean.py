"""The checks' commands run on a host as the deploy's do: what its login prints and sets is none of what they find."""

from __future__ import annotations

from testinfra.backend.base import BaseBackend, CommandResult

from connectors import shell

_RESULT = BaseBackend.result


def attend() -> None:
    """Have every backend of testinfra's run its commands so."""
    BaseBackend.get_command = _command  # type: ignore[method-assign]
    BaseBackend.result = _result  # type: ignore[method-assign]


def _command(self: BaseBackend, command: str, *args: str) -> str:
    text = shell.clean(self.quote(command, *args))
    return self.get_sudo_command(text, self.sudo_user) if self.sudo else text


def _result(self: BaseBackend, rc: int, command: bytes, stdout: bytes | str, stderr: bytes | str) -> CommandResult:
    said, errors = (self.encode(text) if isinstance(text, str) else text for text in (stdout, stderr))
    found, printed = shell.inside(said), shell.inside(errors)
    if found is None:  # it never ran, or was cut off
        return _RESULT(self, rc, command, stdout, stderr)
    return _RESULT(self, found[1], command, found[0], printed[0] if printed else b"")
