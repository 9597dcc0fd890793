"""A box that says all there is to say to pip, to uv and to Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.fake_index import Index

HOSTILE_OPTIONS = {
    "target": "{folder}/target",
    "prefix": "{folder}/prefix",
    "root": "{folder}/root",
    "user": "1",
    "python": "{folder}/no-python",
    "constraint": "{folder}/no-constraints.txt",
    "requirement": "{folder}/no-requirements.txt",
    "editable": "{folder}/no-project",
    "require-virtualenv": "true",
    "require-hashes": "true",
    "no-binary": ":all:",
    "only-binary": ":none:",
    "no-index": "true",
    "no-deps": "true",
    "dry-run": "true",
    "ignore-installed": "true",
    "log": "{folder}/pip.log",
    "quiet": "3",
    "verbose": "3",
    "report": "{folder}/report",
    "platform": "win32",
    "python-version": "2.7",
    "cache-dir": "/proc/no-folder",
}
HOSTILE_VARIABLES = {
    "PYTHONHOME": "{folder}",
    "PYTHONPATH": "{folder}/modules",
    "PYTHONSTARTUP": "{folder}/modules/pip.py",
    "PYTHONUSERBASE": "{folder}/user",
    "PYTHONWARNINGS": "error",
    "PYTHONSAFEPATH": "1",
    "VIRTUAL_ENV": "{folder}/venv",
    "CONDA_PREFIX": "{folder}/conda",
    "LD_PRELOAD": "{folder}/no-library.so",
}
HOSTILE_UV = {
    "UV_CACHE_DIR": "/proc/no-folder",
    "UV_CREDENTIALS_DIR": "{folder}/credentials",
    "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
    "UV_DRY_RUN": "true",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "UV_INDEX_URL": "http://127.0.0.1:9/simple",
    "UV_LINK_MODE": "symlink",
    "UV_NO_BINARY": "true",
    "UV_OFFLINE": "true",
    "UV_PROJECT": "{folder}/project",
    "UV_PYTHON": "{folder}/no-python",
    "UV_SYSTEM_PYTHON": "true",
    "UV_WORKING_DIR": "{folder}/no-folder",
}


def hostile_box(where: str, index: Index, folder: Path, python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A box that says all there is to say to pip and Python, and, as it should, which index it has."""
    (folder / "modules").mkdir()
    for name in ("pip", "sitecustomize"):
        (folder / f"modules/{name}.py").write_text("raise SystemExit('a module of the box')\n")
    said = {name: value.format(folder=folder) for name, value in HOSTILE_OPTIONS.items()}
    if where == "variables":
        for name, value in {**said, "index-url": index.url}.items():
            monkeypatch.setenv(f"PIP_{name.upper().replace('-', '_')}", value)
        for name, value in HOSTILE_UV.items():
            monkeypatch.setenv(name, value.format(folder=folder))
        for name, value in HOSTILE_VARIABLES.items():
            monkeypatch.setenv(name, value.format(folder=folder))
        return
    monkeypatch.delenv("PIP_CONFIG_FILE")
    said = {name: value for name, value in said.items() if name not in ("python", "cache-dir")}
    text = "".join(f"{name} = {value}\n" for name, value in said.items())
    file = {
        "the user's file": folder / "home/.config/pip/pip.conf",
        "the environment's own file": Path(python).parent.with_name("pip.conf"),
    }[where]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[global]\nindex-url = {index.url}\n{text}[install]\n{text}")
