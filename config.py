"""pyinfra's own settings for this project, which it reads before all else."""

from pyinfra import config

import spec.here  # noqa: F401 - it makes the on-host package importable, also where the project is not installed

config.REQUIRE_PYINFRA_VERSION = "~=3.10.0"
