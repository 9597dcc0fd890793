"""The layers a host is made of, in the order they are applied.

What fetches the models comes first, so that they are on their way; then the environment, which needs no package but
those that are there by then, so that these are installed beside it (`spec.beside`).
"""

from visomaster_host.enums import StrEnum


class Layer(StrEnum):
    """One step of the deploy and, in the Dockerfile, one image layer.

    `start` is never part of an image.
    """

    PROGRAMS = "programs"
    ENVIRONMENT = "environment"
    SYSTEM = "system"
    DESKTOP = "desktop"
    ACCESS = "access"
    APPLICATION = "application"
    MODELS = "models"
    SERVICES = "services"
    START = "start"


class Part(StrEnum):
    """What of the environment is an image layer of its own, below the rest of it: the lowest first.

    Conda's packages are in the lowest that an application has something of; see `spec.parts`.
    """

    CUDA = "cuda"
    TORCH = "torch"


BUILD_ORDER: tuple[str, ...] = (
    *(f"{Layer.ENVIRONMENT}-{part}" for part in Part),
    Layer.ENVIRONMENT,
    Layer.SYSTEM,
    Layer.DESKTOP,
    Layer.ACCESS,
    Layer.APPLICATION,
    Layer.PROGRAMS,
    Layer.SERVICES,
)
"""How layers stand on one another in the Dockerfile: what is largest, and needs nothing of the others, is the lowest.
`models` stands beside."""

IMAGE_LAYERS: tuple[Layer, ...] = tuple(layer for layer in Layer if layer is not Layer.START)
"""What an image holds: everything but the start of services."""
