"""Run the smallest model there is (Y = X) with onnxruntime's CUDA provider; onnxruntime falls back without a word."""

import sys

try:
    import onnxruntime
except ModuleNotFoundError as error:
    if error.name != "onnxruntime":
        raise  # it is there, and broken
    print("not installed")
    sys.exit(0)
import numpy

# onnx.proto by hand: ir_version 8, a graph of one Identity node from the float tensor X[1] to Y[1], opset 13.
TENSOR = b"\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
INPUT, OUTPUT = (b"\x0a\x01" + name + TENSOR for name in (b"X", b"Y"))
NODE = b"\x0a\x01X\x12\x01Y\x22\x08Identity"


def field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2, len(content))) + content


GRAPH = field(1, NODE) + field(2, b"g") + field(11, INPUT) + field(12, OUTPUT)
MODEL = b"\x08\x08" + field(7, GRAPH) + field(8, b"\x10\x0d")

session = onnxruntime.InferenceSession(MODEL, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
[answer] = session.run(None, {"X": numpy.array([7], dtype=numpy.float32)})
if answer.tolist() != [7.0]:
    sys.exit(f"expected [7.0], got {answer.tolist()}")
if session.get_providers()[0] != "CUDAExecutionProvider":
    sys.exit(f"onnxruntime runs on {session.get_providers()[0]}: CUDA's provider could not be loaded")
print(f"onnxruntime {onnxruntime.__version__} with CUDAExecutionProvider")
