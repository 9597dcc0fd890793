"""The Dockerfile, rendered from the tables of layers, variants and image metadata.

`python -m layers.dockerfile [APPLICATION]` prints it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from visomaster_host.choices import Access
from visomaster_host.text import brief

from spec import pins
from spec.application import PROFILES, Application, load_application
from spec.closure import REMOTE, closure
from spec.here import ROOT
from spec.image import ImageConfig
from spec.layer import Part
from spec.packages import FIRST
from spec.parts import parts_of
from spec.program import FolderSource
from spec.published import image_config
from spec.rendering import rendered
from spec.settings import DEFAULT_REPOSITORY
from spec.variant import VARIANTS, Variant

BASE = pins.images()["base"]
"""The default base image, by its digest. CUDA libraries come with the pip requirement sets: the base needs none."""

_SOURCES = ("VisoMaster", "connectors", "controller", "files", "layers", "operations", "spec", "tasks", "templates/etc")
"""What the layers are made from: `layers.stages` gives each of them its own."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """What the template of the Dockerfile sees."""

    application: Application
    base: str = BASE
    first: tuple[str, ...] = FIRST

    @property
    def sources(self) -> tuple[str, ...]:
        """The paths, relative to the repository, that layers are made from. Raises `ValueError` for one outside."""
        source = self.application.source
        program = _relative(source.path) if isinstance(source, FolderSource) else _SOURCES[0]
        inside = any(Path(program).is_relative_to(path) for path in _SOURCES)
        return _SOURCES if inside else (*_SOURCES, program)

    @property
    def playbook_programs(self) -> tuple[str, ...]:
        """The modules that get pyinfra for the build, relative to the repository. Computed, as those of the layers."""
        needed = closure(REMOTE / "uv_venv.py") - {REMOTE / "uv_venv.py"}
        modules = (path for path in needed if path.parent == REMOTE and path.name != "__init__.py")
        return tuple(sorted(path.relative_to(ROOT).as_posix() for path in modules))

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Every published name."""
        return tuple(VARIANTS.values())

    @property
    def hosts(self) -> tuple[Variant, ...]:
        """The variants that are hosts of their own, in order."""
        return tuple(variant for variant in self.variants if variant.host is variant)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the environment that are layers of their own: those that the application has something of."""
        return parts_of(self.application.accelerators)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Every kind of access: variants that share one share its layer."""
        return tuple(Access)

    def image(self, variant: Variant) -> ImageConfig:
        """The metadata of the image of `variant`."""
        return image_config(variant, self.application, DEFAULT_REPOSITORY, commit=None)


def _relative(path: Path) -> str:
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        raise ValueError(f"dockerfile: {path} is outside of the repository, which is all a build can see") from None


def render(reference: str) -> str:
    """The Dockerfile of the application `reference` names. Raises `ValueError` as `load_application` does, and for a
    profile that a build does not see."""
    if reference.endswith(".toml") and Path(reference).resolve().parent != PROFILES:
        raise ValueError(f"application: {reference} is not in VisoMaster/, which is all a build can see: put it there")
    return rendered("Dockerfile.j2", build=Build(application=load_application(reference)))


def main() -> int:
    """Print the Dockerfile; exit status 1 with one line when the application is refused."""
    try:
        sys.stdout.write(render(sys.argv[1] if len(sys.argv) > 1 else "visomaster"))
    except ValueError as error:
        print(brief(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
