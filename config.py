"""pyinfra's own settings for this project."""

from pyinfra import config

config.REQUIRE_PYINFRA_VERSION = "~=3.10.0"
