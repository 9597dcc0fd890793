"""Ask the driver's own API for the GPUs, and have each keep a pattern; prints one line each. Its text, unlike
nvidia-smi's, does not change.
"""

import ctypes
import sys

SIZE = 16 * 1024 * 1024  # bytes

try:
    driver = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    sys.exit(f"the driver's library is not there: {error}")


def call(name, *arguments):
    """Call the driver; ends with its own word for what went wrong."""
    status = getattr(driver, name)(*arguments)
    if status != 0:
        word = ctypes.c_char_p()
        driver.cuGetErrorName(status, ctypes.byref(word))
        sys.exit(f"{name} answers {status} {(word.value or b'').decode()}".rstrip())


def keeps(device):
    """Whether the GPU gives back what its memory was given."""
    context, memory = ctypes.c_void_p(), ctypes.c_uint64()
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(SIZE))
    pattern = ctypes.create_string_buffer(bytes(range(251)) * (SIZE // 251 + 1), SIZE + 300)
    back = ctypes.create_string_buffer(SIZE)
    call("cuMemcpyHtoD_v2", memory, pattern, ctypes.c_size_t(SIZE))
    call("cuMemcpyDtoH_v2", back, memory, ctypes.c_size_t(SIZE))
    call("cuMemFree_v2", memory)
    call("cuDevicePrimaryCtxRelease_v2", device)
    return back.raw == pattern.raw[:SIZE]


call("cuInit", 0)
version, count = ctypes.c_int(), ctypes.c_int()
call("cuDriverGetVersion", ctypes.byref(version))
call("cuDeviceGetCount", ctypes.byref(count))
if count.value < 1:
    sys.exit("the driver shows no GPU")
for number in range(count.value):
    name, device = ctypes.create_string_buffer(100), ctypes.c_int()
    call("cuDeviceGet", ctypes.byref(device), number)
    call("cuDeviceGetName", name, len(name), device)
    if not keeps(device):
        sys.exit(f"{name.value.decode()}: its memory does not give back what it was given")
    print(f"{name.value.decode()} (CUDA {version.value // 1000}.{version.value % 1000 // 10})")
