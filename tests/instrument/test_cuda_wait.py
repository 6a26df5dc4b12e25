"""The driver is asked how long a GPU worked on, and starts nothing where nobody computes.

The stand-in for the driver has the names, and takes the arguments, of cuda.h (CUDA 13.0): the ``_v2`` ones are what its
``#define`` lines make of cuCtxPushCurrent, cuCtxPopCurrent and cuDevicePrimaryCtxRelease.
"""

import ctypes
import shutil
import subprocess

import pytest

from pytest_duet.sensors.cuda_wait import CudaWait

DRIVER = """
#include <time.h>
int active = 0, retained = 0, depth = 0, busy_ms = 0, fails = 0;
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *now) { *flags = 0; *now = active; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { retained++; *context = &active; return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { retained--; return 0; }
int cuCtxPushCurrent_v2(void *context) { depth++; return context == &active ? 0 : 201; }
int cuCtxPopCurrent_v2(void **context) { depth--; return 0; }
int cuCtxSynchronize(void) {
    struct timespec left = {0, busy_ms * 1000000L};
    nanosleep(&left, 0);
    busy_ms = 0;
    return depth == 1 ? fails : 201;
}
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc") or pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "cuda.c").write_text(DRIVER)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "libcuda.so.1", "cuda.c"], cwd=folder, check=True)
    return str(folder / "libcuda.so.1")


def test_it_waits_for_what_is_at_work_and_leaves_the_contexts_as_they_were(driver):
    wait = CudaWait(driver)
    assert wait.seconds() is None, "nobody has loaded it"
    loaded = ctypes.CDLL(driver)
    state = {name: ctypes.c_int.in_dll(loaded, name) for name in ("active", "retained", "depth", "busy_ms", "fails")}
    assert wait.seconds() is None and not state["retained"].value, "nobody has started it, nor does this"
    state["active"].value, state["busy_ms"].value = 1, 30
    assert wait.seconds() >= 0.03
    assert 0 <= wait.seconds() < 0.03
    state["fails"].value = 700  # an illegal address was met
    assert wait.seconds() is None
    assert (state["retained"].value, state["depth"].value) == (0, 0)


def test_without_a_driver_there_is_nothing_to_wait_for():
    assert CudaWait("libcuda-that-is-nowhere.so.1").seconds() is None
