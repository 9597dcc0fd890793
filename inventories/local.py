"""This machine: `pyinfra inventories/local.py deploy.py`."""

hosts = ["@local"]
