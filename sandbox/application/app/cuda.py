"""The CUDA runtime library, as far as it can be asked without a graphics card."""

import ctypes

LIBRARY = "libcudart.so.12"


def runtime_version() -> str | None:
    """Return the version of the CUDA runtime on the loader's path, for example "12.4", or None."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    version = ctypes.c_int()
    if library.cudaRuntimeGetVersion(ctypes.byref(version)):
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"
