"""What each layer of the Dockerfile is made from: `python -m layers.stages FOLDER [--data KEY=VALUE …]`.

Writes a folder for each layer with just what it reads: a deploy of its own, `layer.py`, whose values are literals, and
the files that these need. An engine builds a layer anew when what is in its folder differs, whatever else was edited.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path

from visomaster_host.text import brief, without_login

from layers.source import call, module_of
from spec.closure import closure
from spec.distribution import Release
from spec.folder import local_files
from spec.here import ROOT
from spec.layer import IMAGE_LAYERS, Layer, Part
from spec.parts import up_to
from spec.program import FolderSource
from spec.settings import read_settings
from spec.slices import Slice, slice_of
from spec.variant import VARIANTS, Variant

DEPLOY = "layer.py"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One folder: its name, and the layer it makes of a host of `variant`."""

    name: str
    layer: Layer
    variant: Variant
    part: Part | None = None

    @property
    def step(self) -> str:
        """What it is called in the order of the build."""
        return f"{self.layer}-{self.part}" if self.part else self.layer

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that are called, the layer's own last. Models stand beside the programs, so what fetches them comes
        with them."""
        if self.part:
            return ("packages",)
        return ("fetcher", "models") if self.layer is Layer.MODELS else (self.layer.value,)


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A file or folder to be copied, without the entries at its top that `exclude` names; with `text` instead of its
    own, if there is one."""

    path: Path
    exclude: frozenset[str] = frozenset()
    text: str | None = None


def all_stages() -> tuple[Stage, ...]:
    """The folders of a Dockerfile: variants share what does not differ."""
    return tuple(stage for layer in IMAGE_LAYERS for stage in _stages(layer))


def _stages(layer: Layer) -> Iterator[Stage]:
    match layer:
        case Layer.ACCESS:
            for access, variant in {one.access: one for one in reversed(tuple(VARIANTS.values()))}.items():
                yield Stage(name=f"{layer}-{access}", layer=layer, variant=variant)
        case Layer.SERVICES:
            for variant in VARIANTS.values():
                if variant.host is variant:
                    yield Stage(name=f"{layer}-{variant.name}", layer=layer, variant=variant)
        case Layer.ENVIRONMENT:
            for part in (*Part, None):
                stage = Stage(name=layer, layer=layer, variant=VARIANTS["default"], part=part)
                yield replace(stage, name=stage.step)
        case _:
            yield Stage(name=layer, layer=layer, variant=VARIANTS["default"])


def write(folder: Path, data: Mapping[str, str], release: Release) -> str | None:
    """Write the folders of all stages below `folder`, for hosts that run `release`. Returns the line about what of a
    program's own folder no host gets, None where that is nothing.

    Raises `ValueError`, one line naming the field, for `data` that a deploy would refuse, or that a target decides.
    """
    for key in ("variant", "layers"):
        if key in data:
            raise ValueError(f"{key}: expected none, the target of the build decides")
    application = read_settings(data, (Layer.SYSTEM,)).application
    source, left = application.source, None
    if isinstance(source, FolderSource) and source.path.is_dir():
        _require_within(source.path.resolve())  # before all of its files are looked at
        left = source.left_behind(application.kept)
    settings = [(stage, read_settings({**data, "variant": stage.variant.name}, IMAGE_LAYERS)) for stage in all_stages()]
    for stage, its in settings:
        _write(folder / stage.name, stage, *_given(stage, slice_of(stage.layer, its, release)))
    return left


def _given(stage: Stage, whole: Slice) -> tuple[Slice, Mapping[Path, str]]:
    """What of the layer's slice `whole` a stage is given, and the text of the files of which it gets but a part."""
    if stage.part is None:
        return whole, {}
    accelerator, texts = up_to(stage.part, whole["accelerator"])
    return {**whole, "accelerator": accelerator}, texts


def _write(folder: Path, stage: Stage, given: Slice, texts: Mapping[Path, str]) -> None:
    folder.mkdir(parents=True)
    deploy = folder / DEPLOY
    deploy.write_text(_deploy(stage, given), encoding="utf-8")
    reads = [*_reads(given), *(_Read(path=path) for name in stage.tasks for path in _stated(name))]
    reads = [replace(read, text=texts.get(read.path)) for read in reads]
    programs = (read.path for read in reads if read.path.is_file())
    for path in closure(deploy, *programs) - {deploy}:
        _copy(_Read(path=path), folder)
    for read in reads:
        _copy(read, folder)


def _deploy(stage: Stage, given: Slice) -> str:
    """The layer's deploy: what it prints is guarded, as everywhere, and so is what its commands are given."""
    calls = [call("controller.terminal", "guard", {}), call("connectors.shell", "attend", {})]
    *before, own = stage.tasks
    calls += [*(call(f"tasks.{name}", name, {}) for name in before), call(f"tasks.{own}", own, given)]
    return module_of(calls)


def _stated(task: str) -> tuple[Path, ...]:
    """What the module of `task` says that it reads."""
    stated: tuple[Path, ...] = getattr(importlib.import_module(f"tasks.{task}"), "READS", ())
    return stated


def _reads(value: object) -> Iterator[_Read]:
    """The files and folders that a value names."""
    match value:
        case Path():
            yield _Read(path=value)
        case FolderSource(path=path, exclude=exclude):
            yield _Read(path=path, exclude=exclude)
        case Mapping():
            for item in value.values():
                yield from _reads(item)
        case tuple() | list() | frozenset():
            for item in value:
                yield from _reads(item)
        case _ if is_dataclass(value) and not isinstance(value, type):
            for field in fields(value):
                yield from _reads(getattr(value, field.name))


def _copy(read: _Read, folder: Path) -> None:
    path = read.path.resolve()
    _require_within(path)
    target = folder / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    if read.text is not None:
        target.write_text(read.text, encoding="utf-8")
    elif path.is_dir():
        for name, file in local_files(path, read.exclude).items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file.path, target / name)
    else:
        shutil.copy2(path, target)


def _require_within(path: Path) -> None:
    if not path.is_relative_to(ROOT):
        raise ValueError(f"{path} is outside of the repository, which is all a build can see")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 1 after one line on stderr. The release is the one of the system this runs on."""
    parser = argparse.ArgumentParser(prog="python -m layers.stages", description="Write what each layer is made from.")
    parser.add_argument("folder", type=Path, help="where the layers' folders are made")
    parser.add_argument("--data", action="append", default=[], metavar="KEY=VALUE", help="as pyinfra's")
    given = parser.parse_args(arguments)
    try:
        release = Release.of({key.lower(): value for key, value in platform.freedesktop_os_release().items()})
        left = write(given.folder, dict(_pair(word) for word in given.data), release)
    except (OSError, ValueError) as error:
        print(brief(error), file=sys.stderr)
        return 1
    if left:
        print(brief(left), file=sys.stderr)
    return 0


def build_data(text: str) -> dict[str, str]:
    """The data that the Dockerfile's argument DATA says: `--data KEY=VALUE …`, words between spaces, as its shell reads
    them. Raises `ValueError` for a word that is none."""
    words = text.split()
    wrong = [word for word in words[::2] if word != "--data"]
    if wrong or len(words) % 2:
        raise ValueError(f"DATA: expected --data KEY=VALUE …, got {without_login(text)!r}")
    return dict(_pair(word) for word in words[1::2])


def _pair(word: str) -> tuple[str, str]:
    key, separator, value = word.partition("=")
    if not separator:
        raise ValueError(f"data: expected KEY=VALUE, got {without_login(word)!r}")
    return key, value


if __name__ == "__main__":
    sys.exit(main())
