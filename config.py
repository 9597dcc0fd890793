"""pyinfra's own settings for this project, which it reads before all else."""

from pyinfra import config

import spec.here  # noqa: F401 - the on-host package is the one beside this file
from connectors import reach
from controller import run, terminal

config.REQUIRE_PYINFRA_VERSION = "~=3.10.0"

terminal.guard()
run.attend()
reach.attend()
