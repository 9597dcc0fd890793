"""pyinfra's own settings for this project, which it reads before all else."""

from pyinfra import config

import spec.here  # noqa: F401 - the on-host package is the one beside this file

config.REQUIRE_PYINFRA_VERSION = "~=3.10.0"
