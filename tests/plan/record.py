"""Loaded by pyinfra after deploy.py: writes down, host by host, every operation that was planned.

One JSON line per host goes to the file that PLAN_RECORD names: each operation's name, function, arguments and the
commands it would run on that host, with the text it would send.
"""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import IO, Any

from pyinfra import host, state
from pyinfra.api.command import FileUploadCommand, PyinfraCommand, StringCommand

from operations.stream import Streamed


def _operation(op_hash: str) -> dict[str, Any]:
    planned = state.get_op_data_for_host(host, op_hash)
    # pyinfra 3.10 keeps an operation's arguments nowhere but in the generator that will run it.
    called = inspect.getclosurevars(planned.command_generator).nonlocals
    function = called["func"]
    arguments = inspect.signature(function).bind(*called["args"], **called["kwargs"]).arguments
    return {
        "names": sorted(state.op_meta[op_hash].names),
        "function": f"{function.__module__.rpartition('.')[2]}.{function.__name__}",
        "arguments": arguments,
        "commands": [text for command in planned.command_generator() for text in _texts(command)],
    }


def _texts(command: PyinfraCommand) -> list[str]:
    """Everything a person could read of `command` in a process list, a log or a file of the host."""
    match command:
        case StringCommand():
            return [command.get_raw_value()]
        case Streamed():
            return [command.command.get_raw_value(), command.stdin or ""]
        case FileUploadCommand():
            return [command.dest, _content(command.src)]
        case _:
            return [repr(command)]


def _content(source: str | IO[Any]) -> str:
    if isinstance(source, str):
        content = Path(source).read_bytes()
    else:
        source.seek(0)
        content = source.read()
    return content if isinstance(content, str) else content.decode("utf-8", errors="replace")


with Path(os.environ["PLAN_RECORD"]).open("a", encoding="utf-8") as file:
    operations = [_operation(op_hash) for op_hash in host.op_hash_order]
    json.dump({"host": host.name, "operations": operations}, file, default=str)
    file.write("\n")
