"""Pin the arithmetic of the libraries: the same bits on every x86-64 processor with AVX2.

TensorFlow, OpenBLAS, NumPy and Arrow choose code by the processor and its number of cores. Other
code adds in another order and so rounds differently, and a training multiplies the difference. Each
library reads its choice from the environment when it is imported. Therefore importing `household`
sets that environment first, whatever the user has set for other work.

ONNX Runtime and LightGBM offer no choice. tests/commands/test_processors.py shows that they need
none.
"""

import os
import platform
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
PINS = {
    # The kernels of oneDNN are off. Eigen still calls the matrix product of oneDNN, which the
    # second line limits.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    # With more threads OpenBLAS adds in another order.
    "OPENBLAS_NUM_THREADS": "1",
    # NumPy keeps to the code that it compiles for every x86-64 processor. Logarithms and the order
    # of equal values differ in the rest.
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "ARROW_USER_SIMD_LEVEL": "AVX2",
}
# NumPy refuses the first beside its pin. The second would have XLA compile for this processor.
UNSET = ("NPY_ENABLE_CPU_FEATURES", "TF_XLA_FLAGS")
READ_BY = ("numpy", "pyarrow", "tensorflow")


def pin() -> bool:
    """Set the environment so that libraries imported from now on compute the same everywhere.

    Returns:
        Whether they do: False on a processor without AVX2, whose environment stays as it is, and
        where a library has read another environment before.
    """
    if not has_avx2():
        return False
    is_set = PINS.items() <= os.environ.items() and not any(name in os.environ for name in UNSET)
    os.environ.update(PINS)
    for name in UNSET:
        os.environ.pop(name, None)
    return is_set or not any(name in sys.modules for name in READ_BY)


def has_avx2() -> bool:
    """Return whether this is an x86-64 processor under Linux with AVX2 and FMA."""
    if platform.machine() != "x86_64" or not CPUINFO.exists():
        return False
    with CPUINFO.open() as lines:
        flags = next((line for line in lines if line.startswith("flags")), "")
    return {"avx2", "fma"} <= set(flags.split())
