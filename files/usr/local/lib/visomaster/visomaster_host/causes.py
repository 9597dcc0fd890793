"""What a person can do about an error that a program ended with, where a program's own words leave it open."""

from __future__ import annotations

import os
import re

NO_GPU = "this container sees no GPU: run it with `--gpus all`, on a machine with an NVIDIA GPU and its driver"
"""Said where no device of a GPU is there."""

_OF_GPUS = re.compile(r"(?i)cuda|nvidia|cudnn|tensorrt|nvml|nvrtc|cublas|\bGPUs?\b")
_DEVICE = re.compile(r"nvidia[0-9]+|dxg")  # the latter is Windows' own, under WSL
_KNOWN = (
    (
        re.compile(r"(?i)driver.*(?:insufficient|too old)|requires? .*driver"),
        "the NVIDIA driver of this machine is too old for this program: take a machine with a newer one",
    ),
    (
        re.compile(
            r"(?i)no kernel image is available|not compatible with the current PyTorch|sm_\d+ is not compatible"
        ),
        "this program's CUDA does not know this GPU: take a machine with another GPU, or another profile",
    ),
    (
        re.compile(r"(?i)cuda.*out of memory|out of memory.*cuda|CUDNN_STATUS_ALLOC_FAILED|CUDA_ERROR_OUT_OF_MEMORY"),
        "the memory of the GPU is full: choose fewer or smaller models, or a GPU with more memory",
    ),
    (
        re.compile(r"(?i)could not (?:load the Qt platform|connect to display)|cannot open display"),
        "the screen is not there or lets nobody in: visomaster-ready tells more",
    ),
)


def cause_of(line: str) -> str:
    """What is behind the error `line`, and what helps; empty when nothing is known of it."""
    if _OF_GPUS.search(line) and not gpus():
        return NO_GPU
    return next((told for pattern, told in _KNOWN if pattern.search(line)), "")


def gpus() -> list[str]:
    """The devices of GPUs that can be seen here."""
    return [name for name in os.listdir("/dev") if _DEVICE.fullmatch(name)]
