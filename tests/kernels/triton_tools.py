"""Running the Triton kernels without a GPU: interpreted on the CPU, or compiled for a GPU that is not here."""

import importlib.util
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver, interpreter

from shiftlif.kernels import gpu, operator, triton_sequence


def _convert_float(original):
    """Casts between float32 and bfloat16 as a GPU does them. The interpreter's own cut off bits instead of rounding
    to nearest even, and mistake bfloat16's subnormal numbers."""

    def convert(values, source, target, rounding):
        if (source.name, target.name) == ("bf16", "fp32"):
            return values.astype(np.uint32) << 16
        if (source.name, target.name) == ("fp32", "bf16"):
            wide = torch.from_numpy(np.array(values, dtype=np.float32))
            return wide.bfloat16().view(torch.int16).numpy().view(np.uint16)
        return original(values, source, target, rounding)

    return convert


def interpreted_kernels():
    """A second copy of the kernels' module whose functions are interpreted: Triton decides when it decorates them."""
    with triton.knobs.runtime.scope():
        triton.knobs.runtime.interpret = True
        spec = importlib.util.spec_from_file_location("interpreted_triton_sequence", triton_sequence.__file__)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@contextmanager
def interpreted():
    """Calls with CPU tensors go to the Triton kernels under the interpreter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "triton_sequence", interpreted_kernels())
        patch.setattr(operator, "backend", lambda device: gpu)
        patch.setattr(interpreter, "_convert_float", _convert_float(interpreter._convert_float))
        yield


class _AbsentGPU:
    """What Triton asks of a driver until it launches."""

    def __init__(self, capability):
        self.capability = capability

    def get_current_target(self):
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self):
        return self.capability  # kernels are cached by device

    def get_current_stream(self, device):
        return 0


class _Compiled:
    """A kernel whose launch only compiles."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.result = None

    def __getitem__(self, grid):
        def launch(**arguments):
            self.result = self.kernel.warmup(grid=grid, **arguments)

        return launch


@contextmanager
def compiled_for(capability, cache):
    """What `gpu.forward` and `gpu.backward` launch is compiled for ``sm_<capability>``; yields the two kernels."""
    kernels = SimpleNamespace(
        forward_kernel=_Compiled(triton_sequence.forward_kernel),
        backward_kernel=_Compiled(triton_sequence.backward_kernel),
    )
    before = driver._active
    with pytest.MonkeyPatch.context() as patch, triton.knobs.cache.scope():
        triton.knobs.cache.dir = str(cache)
        patch.setattr(gpu, "triton_sequence", kernels)
        driver.set_active(_AbsentGPU(capability))
        try:
            yield kernels
        finally:
            driver._active = before


def resources(kernel, folder):
    """``REG``, ``STACK``, ... as the assembler counted them."""
    binary = folder / "kernel.cubin"
    binary.write_bytes(kernel.result.asm["cubin"])
    command = [triton.knobs.nvidia.cuobjdump.path, "--dump-resource-usage", str(binary)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = (word.split(":") for word in shown.splitlines()[-1].split())
    return {name: int(value) for name, value in pairs}
