"""The settings of each library once `household` is imported, whatever the user has set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from household.core import arithmetic
from tests.project import ROOT
from tests.test_dvc_yaml import STAGES

AVX2 = pytest.mark.skipif(not arithmetic.has_avx2(), reason="NO AVX2: the arithmetic is not tested")
# Of a user whose other work has another environment.
OTHER = {
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "ONEDNN_MAX_CPU_ISA": "ALL",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OPENBLAS_NUM_THREADS": "2",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",
    "ARROW_USER_SIMD_LEVEL": "NONE",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
}
SETTINGS = """
import ctypes, os
from pathlib import Path
{first}
import household
import numpy, pyarrow
from numpy._core import _multiarray_umath as numpy_core
(library,) = (Path(numpy.__file__).parents[1] / "numpy.libs").glob("libscipy_openblas64*")
blas = ctypes.CDLL(str(library))
blas.scipy_openblas_get_corename64_.restype = ctypes.c_char_p
print(
    household.IS_PINNED,
    blas.scipy_openblas_get_corename64_().decode(),
    blas.scipy_openblas_get_num_threads64_(),
    pyarrow.runtime_info().simd_level,
    [name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__[name]],
    os.environ["TF_ENABLE_ONEDNN_OPTS"],
    os.environ.get("TF_XLA_FLAGS"),
)
"""


def settings(first: str = "", **environment: str) -> str:
    """Return the settings of the libraries in a process that begins with the line `first`."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", SETTINGS.format(first=first)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in arithmetic.PINS}
        | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@AVX2
@pytest.mark.parametrize("environment", [{}, OTHER, arithmetic.PINS])
def test_each_library_computes_as_on_any_processor(environment: dict[str, str]) -> None:
    assert settings(**environment) == "True Haswell 1 avx2 [] 0 None"


@AVX2
def test_a_library_that_was_imported_before_pinning_is_detected() -> None:
    late = settings("import numpy", **OTHER | {"NPY_ENABLE_CPU_FEATURES": ""})
    assert late.startswith("False Nehalem 2 ")
    assert settings("import numpy", **arithmetic.PINS).startswith("True Haswell 1 ")


@AVX2
@pytest.mark.parametrize(
    "module", [*(f"stages.{name}" for name in STAGES), "household.app.predict"]
)
def test_no_command_imports_a_library_before(module: str) -> None:
    assert settings(f"import {module}", **OTHER).startswith("True Haswell 1 avx2 [] 0")


@pytest.mark.parametrize(
    ("machine", "flags", "has"),
    [
        ("x86_64", "fpu avx avx2 fma", True),
        ("x86_64", "fpu avx fma avx2_of_no_kind", False),
        ("x86_64", "fpu avx avx2", False),
        ("x86_64", None, False),
        ("aarch64", "fpu avx avx2 fma", False),
    ],
)
def test_only_an_x86_64_processor_with_avx2_is_pinned(
    machine: str, flags: str | None, has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = tmp_path / "cpuinfo"
    if flags is not None:
        described.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t:\n")
    monkeypatch.setattr(arithmetic, "CPUINFO", described)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("os.environ", dict(OTHER))
    assert arithmetic.has_avx2() == has
    arithmetic.pin()
    assert ("Haswell" in os.environ.values()) == has
    assert has or os.environ == OTHER
