"""Have onnxruntime compute a small model on the GPU and on the processor, and compare; it falls back without a word.

The model is Y = (X convolved with K) times W, which needs cuDNN and cuBLAS. Its numbers are small whole ones, which
every precision that a GPU computes with holds exactly.
"""

import sys

try:
    import onnxruntime
except ModuleNotFoundError as error:
    if error.name != "onnxruntime":
        raise  # it is there, and broken
    print("not installed")
    sys.exit(0)
import numpy

FLOAT = 1
SHAPES = {"X": (1, 4, 16, 16), "K": (8, 4, 3, 3), "W": (14, 14), "Y": (1, 8, 14, 14)}
MOST_OFF = 0.01
"""Of the largest number: what a quick way to convolve may cost."""


def field(number, content):
    """A field of onnx.proto: a number, text, or a message."""
    if isinstance(content, int):
        return bytes((number << 3, content))
    data = content.encode() if isinstance(content, str) else content
    size = bytes((len(data),)) if len(data) < 128 else bytes((len(data) & 127 | 128, len(data) >> 7))
    return bytes((number << 3 | 2,)) + size + data


def tensor(name):
    """A ValueInfoProto: a float tensor of the shape of `name`."""
    shape = b"".join(field(1, field(1, length)) for length in SHAPES[name])
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, shape)))


def node(kind, inputs, output):
    """A NodeProto."""
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)


GRAPH = (
    *(field(1, node("Conv", "XK", "C")), field(1, node("MatMul", "CW", "Y")), field(2, "g")),
    *(field(11, tensor(name)) for name in "XKW"),
    field(12, tensor("Y")),
)
MODEL = field(1, 8) + field(7, b"".join(GRAPH)) + field(8, field(2, 13))


def answer(provider):
    """What the model gives on the provider, and on no other."""
    options = onnxruntime.SessionOptions()
    if provider != "CPUExecutionProvider":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(MODEL, options, providers=[provider])
        session.disable_fallback()
        if session.get_providers()[0] != provider:
            sys.exit(f"onnxruntime runs on {session.get_providers()[0]}: {provider} could not be loaded")
        [found] = session.run(None, given)
    except Exception as error:
        sys.exit(f"onnxruntime with {provider}: {error}".replace("\n", " "))
    return found


numbers = numpy.random.default_rng(1)
given = {name: numbers.integers(-3, 4, SHAPES[name]).astype(numpy.float32) for name in "XKW"}
expected, found = answer("CPUExecutionProvider"), answer("CUDAExecutionProvider")
off = float(numpy.abs(found - expected).max() / numpy.abs(expected).max())
if not off <= MOST_OFF:  # what is no number is above nothing
    sys.exit(f"the GPU computes something else than the processor: {off:.3g} of the largest number off")
print(f"onnxruntime {onnxruntime.__version__} with CUDAExecutionProvider, as the processor")
