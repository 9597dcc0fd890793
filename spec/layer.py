"""The layers a host is made of, in the order they are applied: the part that changes least comes first."""

from visomaster_host.enums import StrEnum


class Layer(StrEnum):
    """One step of the deploy and, in the Dockerfile, one image layer.

    `start` is never part of an image.
    """

    SYSTEM = "system"
    ENVIRONMENT = "environment"
    DESKTOP = "desktop"
    ACCESS = "access"
    APPLICATION = "application"
    PROGRAMS = "programs"
    MODELS = "models"
    SERVICES = "services"
    START = "start"


BUILD_ORDER = (
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
