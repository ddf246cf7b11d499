"""What the contenders are called in the records; needs none of their libraries."""

from __future__ import annotations

BOUND, PLAIN, FROM_C, INTERPRETER = "engine, bound array", "engine", "from C", "interpreter"
LAYERS = "PyTorch, layer by layer"
FUSED = "PyTorch, layer by layer, shiftlif's fused neurons"
STEP_LOOP = "PyTorch, step by step"
COMPILED = "torch.compile"
SPIKINGJELLY = "SpikingJelly LIF, untrained"

FLOAT, FLOAT_CLIPPED, UINT8_KIND, INT8_KIND, CALIBRATION = (
    *("float32", "float32, clipped"),
    *("uint8", "int8", "its own calibration"),
)
INT8 = {f"ONNX Runtime int8, {kind}": kind for kind in (UINT8_KIND, INT8_KIND, CALIBRATION)}
FP32 = {f"ONNX Runtime fp32, {kind}": kind for kind in (FLOAT, FLOAT_CLIPPED)}
BOUND_BUFFERS = ", bound"
"""Behind the name of an ONNX model: called with bound buffers, as the engine with a bound array."""


def named(steps: int, name: str) -> str:
    """A contender that depends on T."""
    return f"T={steps}: {name}"
