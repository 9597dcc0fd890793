"""One file an engine, for one variant: from `templates/fleet/` and what a host says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from visomaster_host import choices, paths
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.enums import StrEnum
from visomaster_host.refusals import CAPABILITIES

from spec import image
from spec.published import HEALTHCHECK
from spec.rendering import rendered
from spec.variant import VARIANTS, Variant
from vast import fit


class Engine(StrEnum):
    """Who runs the containers."""

    KUBERNETES = "kubernetes"
    DSTACK = "dstack"
    SKYPILOT = "skypilot"


FILE: Mapping[Engine, str] = MappingProxyType(
    {Engine.KUBERNETES: "kubernetes.yaml", Engine.DSTACK: "dstack.yml", Engine.SKYPILOT: "skypilot.yaml"}
)
"""What an engine's file is called, its template with `.j2` behind it."""

EXAMPLE = ("alt", "your_name/visomaster")
"""The variant and repository of the files that are kept here."""

CARDS = ("RTX4090", "RTX3090", "L4", "A10G", "L40S", "T4", "A100")
"""Cards of 8 GB and more that CUDA 12.4 has code for. RTX 50 (Blackwell) needs the `fusion` application."""

WORKSPACE_GB, MODELS_GB = 100, 30
"""A person's videos and results; the models are about 8 GB."""

MEMORY_GB, SHM_GB, CPUS = 16, 1, 4
"""For one desktop: the program, its models on their way to the card, an encoder. `/dev/shm` has 64 MB elsewhere, and
PyTorch's workers exchange pictures there.
"""


@dataclass(frozen=True, kw_only=True)
class Secret:
    """What lets a person in: the variable of a start, its name among an engine's secrets, the bytes that make it."""

    variable: str
    name: str
    random_bytes: int

    @property
    def command(self) -> str:
        """Prints a new one, in hexadecimal digits and without a line's end."""
        return f'printf %s "$(openssl rand -hex {self.random_bytes})"'


SECRET: Mapping[Access, Secret] = MappingProxyType(
    {
        Access.VNC: Secret(variable="VNC_PASSWORD", name="vnc-password", random_bytes=4),  # VNC knows 8 characters
        Access.PORTAL: Secret(variable="OPEN_BUTTON_TOKEN", name="portal-token", random_bytes=16),
    }
)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Desktops of `variant`, whose image is in `repository`."""

    variant: Variant
    repository: str

    def __post_init__(self) -> None:
        """Raise `ValueError` for a name that no machine could pull."""
        image.published_repository(self.repository)

    def file(self, engine: Engine) -> str:
        """The file for `engine`."""
        return rendered(f"fleet/{FILE[engine]}.j2", fleet=self)

    # -- what the templates ask for

    @property
    def name(self) -> str:
        """What the engine calls it."""
        return f"visomaster-{self.variant.name}"

    @property
    def image(self) -> str:
        """The moving tag: a machine that starts later has a newer desktop."""
        return f"{self.repository}:{self.variant.tags()[0]}"

    @property
    def portal(self) -> bool:
        """Whether there is a page to ask for its health."""
        return self.variant.access is Access.PORTAL

    @property
    def secret(self) -> Secret:
        """What lets a person in."""
        return SECRET[self.variant.access]

    @property
    def volumes(self) -> Mapping[str, tuple[str, int]]:
        """The volumes by their names: where they are mounted, and their GB."""
        found = {"workspace": (str(paths.WORKSPACE), WORKSPACE_GB)}
        if self.variant.models is ModelsAt.START:  # in the image, they need none
            found["models"] = (str(paths.MODELS), MODELS_GB)
        return found

    @property
    def disk(self) -> int:
        """GB besides the volumes and the image."""
        return fit.DISK[self.variant.models]

    capabilities = tuple(sorted(CAPABILITIES))
    cards = CARDS
    gpu_gb = 8
    memory_gb, shm_gb, cpus = MEMORY_GB, SHM_GB, CPUS
    health = HEALTHCHECK
    tls_port = choices.TLS_PORT


def fleet(variant: str, repository: str) -> Fleet:
    """The desktops of the variant of that name. Raises `ValueError`, which names the argument."""
    if variant not in VARIANTS:
        raise ValueError(f"variant: {variant!r} is unknown, expected one of {', '.join(VARIANTS)}")
    return Fleet(variant=VARIANTS[variant], repository=repository)
