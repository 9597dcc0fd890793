"""Which machines can run an application: what its accelerator's CUDA needs, and what any box of this project needs.

Fields: https://docs.vast.ai/api-reference/search/search-offers (gpu_ram in MB, compute_cap times 100, inet in Mbit/s).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from visomaster_host.choices import ModelsAt

Condition = Mapping[str, object]
Filters = Mapping[str, Condition]

OLDEST_CARD = 750
"""RTX 20: older ones have no tensor cores for half precision."""

BLACKWELL = 1000
BLACKWELL_NEEDS = 12.8
"""The CUDA that first made code for RTX 50 (compute capability 12.0). Older ones end at Hopper."""

AFTER_BLACKWELL = 1300

ALWAYS: Filters = MappingProxyType(
    {
        "verified": {"eq": True},
        "reliability2": {"gte": 0.95},
        "direct_port_count": {"gte": 64},
        "cpu_arch": {"eq": "amd64"},
    }
)
"""Machines that work: https://docs.vast.ai/cli/reference/search-offers names the fields."""

GPU_RAM: Condition = MappingProxyType({"gte": 8000})

LEAST_DOWN, LEAST_UP = 100, 20
"""Mbit/s: an image of 8 GB comes in 11 minutes, a desktop and results go out."""


class Way(Enum):
    """How a rented box becomes a desktop."""

    IMAGE = "image"
    SCRATCH = "scratch"


DISK: Mapping[ModelsAt, int] = MappingProxyType({ModelsAt.BUILD: 32, ModelsAt.START: 64})
"""GB for what the host writes. The image does not count, so models in it cost nothing."""

DISK_FROM_SCRATCH = 80
"""GB: environment (7), its packages while they are unpacked, models, a person's work; nothing of it is in an image."""

BYTES_IN: Mapping[tuple[Way, ModelsAt], float] = MappingProxyType(
    {
        (Way.IMAGE, ModelsAt.BUILD): 13.0,
        (Way.IMAGE, ModelsAt.START): 13.0,
        (Way.SCRATCH, ModelsAt.BUILD): 15.0,
        (Way.SCRATCH, ModelsAt.START): 15.0,
    }
)
"""GB that come in before the first use, an estimate: an image with CUDA packages is 5 GB on its way, the models about 8
(their manifests tell no sizes); from scratch, CUDA's base image, the distribution's and Python's packages are 7."""


def cuda(accelerator: str) -> float | None:
    """The CUDA version that an accelerator's name says: `cu124` and `cu124-tensorrt` are 12.4; nothing for others."""
    found = re.match(r"cu(\d{2})(\d)\b", accelerator)
    return float(f"{found[1]}.{found[2]}") if found else None


def filters(accelerator: str) -> Filters:
    """What a machine must have for packages of `accelerator`, as the API's conditions."""
    version = cuda(accelerator)
    if version is None:
        return MappingProxyType({**ALWAYS, "gpu_ram": GPU_RAM})
    newest = AFTER_BLACKWELL if version >= BLACKWELL_NEEDS else BLACKWELL
    needed: dict[str, Condition] = {
        "cuda_max_good": {"gte": version},  # the driver must know the CUDA of the packages
        "compute_cap": {"gte": OLDEST_CARD, "lt": newest},
        "gpu_ram": GPU_RAM,
    }
    return MappingProxyType({**ALWAYS, **needed})


def disk(way: Way, models: ModelsAt) -> int:
    """GB to rent."""
    return DISK[models] if way is Way.IMAGE else DISK_FROM_SCRATCH


def bytes_in(way: Way, models: ModelsAt) -> float:
    """GB that come in before the first use, an estimate."""
    return BYTES_IN[way, models]
