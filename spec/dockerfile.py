"""The Dockerfile, rendered from the tables of layers, variants and image metadata.

`python -m spec.dockerfile [APPLICATION]` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import jinja2

from spec import pins
from spec.application import Application, load_application
from spec.here import GUIDE, ROOT, TEMPLATES
from spec.image import ImageConfig
from spec.layer import IMAGE_LAYERS, Layer
from spec.program import FolderSource
from spec.published import image_config
from spec.settings import DEFAULT_REPOSITORY
from spec.variant import VARIANTS, Variant

BASE = pins.images()["base"]
"""The default base image, by its digest. CUDA libraries come with the pip requirement sets: the base needs none."""

_ON_HOST = "files/usr/local/lib/visomaster/visomaster_host"
_COMMON = (
    *("connectors", "operations", "spec", "deploy.py", "tasks/__init__.py"),
    *(f"{_ON_HOST}/__init__.py", f"{_ON_HOST}/text.py"),  # what foreign text is shown by, here as there
)

_READS: Mapping[Layer, tuple[str, ...]] = MappingProxyType(
    {
        Layer.SYSTEM: (),
        Layer.ENVIRONMENT: (),
        Layer.DESKTOP: ("files/etc/visomaster/fluxbox",),
        Layer.ACCESS: (),
        Layer.APPLICATION: ("VisoMaster",),  # a program of the user's own may be in there
        Layer.PROGRAMS: ("files/usr/local",),
        Layer.MODELS: ("files/usr/local", "tasks/programs.py"),  # its stage installs the programs that fetch
        Layer.SERVICES: ("VisoMaster/Install_Guide.ipynb", "files", "templates/etc"),
    }
)
"""What each layer's task reads beside its own module."""

_HIDES: Mapping[Layer, tuple[str, ...]] = MappingProxyType(
    {Layer.APPLICATION: (GUIDE.relative_to(ROOT).as_posix(),)}  # the services bring it: its edits stay kilobytes
)
"""What lies in a folder that a layer reads, but is another layer's: a layer is built anew when what it sees changes."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """What the template of the Dockerfile sees."""

    application: Application
    base: str = BASE

    @property
    def common(self) -> tuple[str, ...]:
        """The paths, relative to the repository, that every layer's stage sees."""
        return (*_COMMON, f"VisoMaster/{self.application.name}.toml")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of an image."""
        return IMAGE_LAYERS

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Every published name."""
        return tuple(VARIANTS.values())

    @property
    def hosts(self) -> tuple[Variant, ...]:
        """The variants that are hosts of their own, in order."""
        return tuple(variant for variant in self.variants if variant.host is variant)

    @property
    def first_of_each_access(self) -> tuple[Variant, ...]:
        """One variant for each access: those that share an access share its layer."""
        return tuple({variant.access: variant for variant in reversed(self.variants)}.values())[::-1]

    def reads(self, layer: Layer) -> tuple[str, ...]:
        """The paths, relative to the repository, that the stage of `layer` alone sees."""
        profile = (_relative(path) for path in self._profile_files(layer))
        return tuple(sorted({f"tasks/{layer}.py", *_READS[layer], *profile}))

    def hides(self, layer: Layer) -> tuple[str, ...]:
        """The paths among those that the stage of `layer` does not see after all."""
        return _HIDES.get(layer, ())

    def _profile_files(self, step: Layer) -> tuple[Path, ...]:
        application, lock = self.application, self.application.environment.lock
        match step:
            case Layer.ENVIRONMENT:
                sets = (one.file for accelerator in application.accelerators for one in accelerator.requirements)
                return (*sets, lock) if lock else (*sets,)
            case Layer.APPLICATION if isinstance(application.source, FolderSource):
                return (application.source.path,)
            case Layer.PROGRAMS | Layer.MODELS:
                return (application.manifest,)
            case _:
                return ()

    def image(self, variant: Variant) -> ImageConfig:
        """The metadata of the image of `variant`."""
        return image_config(variant, self.application, DEFAULT_REPOSITORY, commit=None)


def _relative(path: Path) -> str:
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        raise ValueError(f"dockerfile: {path} is outside of the repository, which is all a build can see") from None


def render(reference: str) -> str:
    """The Dockerfile of the application `reference` names. Raises `ValueError` as `load_application` does."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - a Dockerfile is no HTML
    )
    build = Build(application=load_application(reference))
    return environment.get_template("Dockerfile.j2").render(build=build)


def main() -> int:
    """Print the Dockerfile; exit status 1 with one line when the application is refused."""
    try:
        sys.stdout.write(render(sys.argv[1] if len(sys.argv) > 1 else "visomaster"))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
