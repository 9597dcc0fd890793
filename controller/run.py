"""A run of pyinfra's command line that tells the truth: about names, hosts and how it ended.

pyinfra has no hooks for most of this; what is put in the place of its functions calls them, by the names that its
command line has for them in 3.10.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import click
import gevent
import pyinfra
from pyinfra.api import facts, operations
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import State
from pyinfra.connectors import ssh_util
from pyinfra.connectors import util as connectors_util
from pyinfra_cli import cli, inventory, util

from controller import asking, ending, names, order

_attended: set[str] = set()


def attend() -> None:
    """See to this run of pyinfra's command line, from `config.py` on; does nothing where pyinfra is a library."""
    if not pyinfra.is_cli or _attended:
        return
    _attended.add("run")
    ending.on_signals()
    hub = gevent.get_hub()
    # What ends a host's turn, or is no host's name, is told in one line; gevent would show a traceback before.
    hub.NOT_ERROR = (*hub.NOT_ERROR, PyinfraError, click.ClickException, UnicodeError)
    _instead(cli, "make_inventory", names.make_inventory)
    _instead(inventory, "_resolves_to_host", names.resolves)
    _instead(cli, "_get_inventory_pattern_matches", names.matches)
    _instead(cli, "_set_override_data", names.override_data)
    _instead(cli, "_do_confirm", asking.confirm)
    for module, question in {
        cli: asking.first_password,
        ssh_util: asking.password,
        connectors_util: asking.password,
    }.items():
        module.__dict__["getpass"] = question
    _instead(cli, "connect_all", _connect)
    _instead(facts, "print_host_combined_output", ending.fact_failed)
    _instead(operations, "_run_host_op_with_context", ending.run_operation)
    _instead(util, "_parallel_load_hosts", ending.load_hosts)
    _instead(cli, "disconnect_all", ending.leave)
    # By its name, since `operation` in pyinfra's package is the decorator.
    import_module("pyinfra.api.operation").__dict__["get_operation_order_from_stack"] = order.lines


def _connect(connect_all: Callable[[State], None], state: State) -> None:
    state.add_callback_handler(ending.Outcomes())
    names.connect(connect_all, state)


def _instead(module: Any, name: str, function: Callable[..., Any]) -> None:
    """Have `function`, given what was there before its own arguments, in the place of `name` in `module`."""
    setattr(module, name, partial(function, getattr(module, name)))
