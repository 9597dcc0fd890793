"""Ask the driver's own API for the GPUs; prints one line each. Its text, unlike nvidia-smi's, does not change."""

import ctypes
import sys

try:
    driver = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    sys.exit(f"the driver's library is not there: {error}")
status = driver.cuInit(0)
if status != 0:
    sys.exit(f"cuInit answers {status}")
version, count = ctypes.c_int(), ctypes.c_int()
driver.cuDriverGetVersion(ctypes.byref(version))
driver.cuDeviceGetCount(ctypes.byref(count))
if count.value < 1:
    sys.exit("the driver shows no GPU")
for number in range(count.value):
    name = ctypes.create_string_buffer(100)
    driver.cuDeviceGetName(name, len(name), number)
    print(f"{name.value.decode()} (CUDA {version.value // 1000}.{version.value % 1000 // 10})")
