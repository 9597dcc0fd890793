"""Print the OpenGL renderer of every EGL device that has one, after it has drawn a colour that is read back."""

import ctypes
import sys

PLATFORM_DEVICE, OPENGL_API, RENDERER = 0x313F, 0x30A2, 0x1F01
NONE, RENDERABLE_TYPE, OPENGL_BIT, SURFACE_TYPE, PBUFFER_BIT = 0x3038, 0x3040, 0x0008, 0x3033, 0x0001
WIDTH, HEIGHT, RED_SIZE, COLOR_BUFFER_BIT, RGBA, BYTES = 0x3057, 0x3056, 0x3024, 0x4000, 0x1908, 0x1401
COLOUR = (255, 0, 255, 255)

try:
    egl, gl = ctypes.CDLL("libEGL.so.1"), ctypes.CDLL("libGL.so.1")
except OSError as error:
    sys.exit(f"no OpenGL: {error}")
for name in ("eglGetProcAddress", "eglCreateContext", "eglCreatePbufferSurface"):
    getattr(egl, name).restype = ctypes.c_void_p
gl.glGetString.restype = ctypes.c_char_p
Pointer = ctypes.c_void_p


def extension(name, result, *arguments):
    """A function of an EGL extension."""
    address = egl.eglGetProcAddress(name)
    if not address:
        sys.exit(f"EGL has no {name.decode()}")
    return ctypes.CFUNCTYPE(result, *arguments)(address)


def renderer(device):
    """The renderer of one device, or None where no context can be made (a GPU without a driver here)."""
    display = get_display(PLATFORM_DEVICE, device, None)
    if not display or not egl.eglInitialize(Pointer(display), None, None):
        return None
    wanted = (ctypes.c_int * 7)(SURFACE_TYPE, PBUFFER_BIT, RENDERABLE_TYPE, OPENGL_BIT, RED_SIZE, 8, NONE)
    config, found = Pointer(), ctypes.c_int()
    egl.eglBindAPI(OPENGL_API)
    egl.eglChooseConfig(Pointer(display), wanted, ctypes.byref(config), 1, ctypes.byref(found))
    if not found.value:
        return None
    context = egl.eglCreateContext(Pointer(display), config, None, None)
    size = (ctypes.c_int * 5)(WIDTH, 4, HEIGHT, 4, NONE)
    surface = Pointer(egl.eglCreatePbufferSurface(Pointer(display), config, size))
    if not context or not egl.eglMakeCurrent(Pointer(display), surface, surface, Pointer(context)):
        return None
    text = gl.glGetString(RENDERER)
    if not text:
        return None
    drawn = picture()
    if drawn != bytes(COLOUR) * 16:
        sys.exit(f"{text.decode()} draws {tuple(drawn[:4])} where {COLOUR} was to be drawn")
    return text.decode()


def picture():
    """The bytes of a small picture in one colour, as they are read back."""
    pixels = ctypes.create_string_buffer(64)
    gl.glClearColor(*(ctypes.c_float(part / 255) for part in COLOUR))
    gl.glClear(COLOR_BUFFER_BIT)
    gl.glReadPixels(0, 0, 4, 4, RGBA, BYTES, pixels)
    return pixels.raw


query_devices = extension(
    b"eglQueryDevicesEXT", ctypes.c_uint, ctypes.c_int, ctypes.POINTER(Pointer), ctypes.POINTER(ctypes.c_int)
)
get_display = extension(b"eglGetPlatformDisplayEXT", Pointer, ctypes.c_uint, Pointer, ctypes.POINTER(ctypes.c_int))
devices, count = (Pointer * 32)(), ctypes.c_int()
if not query_devices(32, devices, ctypes.byref(count)):
    sys.exit("EGL shows no device")
renderers = [found for found in map(renderer, devices[: count.value]) if found]
if not renderers:
    sys.exit(f"none of {count.value} EGL devices gives an OpenGL context")
print("\n".join(renderers))
