"""JAX and a device, without a trainer: its products and copies there, what ran there, and what it says of it."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else 75 % of the GPU is taken, used or not
XLA_FLAGS = os.environ.get("XLA_FLAGS")  # the user's
# While it is profiled, XLA would hand over one by one what it otherwise replays as command buffers (CUDA graphs), and
# the device would seem idle meanwhile (xla/debug_options_flags.cc).
os.environ["XLA_FLAGS"] = " ".join(filter(None, [XLA_FLAGS, "--xla_enable_command_buffers_during_profiling=true"]))

import jax
import jax.numpy as jnp

from benchmarks.frameworks.engines import nvidia
from benchmarks.frameworks.trainer import NoGpu
from pytest_duet.sensors.gpu import cuda_text, cudnn_text

# Where nothing is said, XLA multiplies float32 in TF32 on GPUs that can.
TF32_BY_DEFAULT = jax.config.jax_default_matmul_precision not in ("float32", "highest")
jax.config.update("jax_default_matmul_precision", "highest")  # fp32 means fp32: no TF32 on a GPU


def use_device(device):
    """Make the device asked for JAX's default; return it, and the suite's name for it."""
    try:
        found = jax.devices(None if device == "auto" else device)[0]
    except RuntimeError as error:  # what JAX raises for a platform that it does not see
        raise NoGpu from error
    jax.config.update("jax_default_device", found)
    return found, "cpu" if found.platform == "cpu" else f"gpu:{found.device_kind}"


def allocator_memory(device):
    stats = device.memory_stats() or {}  # None on CPUs
    found = {
        "allocator_peak_bytes": stats.get("peak_bytes_in_use"),
        "allocator_reserved_bytes": stats.get("peak_pool_bytes", stats.get("pool_bytes")),
    }
    return {name: value for name, value in found.items() if value is not None}


def xla_threads():
    """Count XLA's own compute threads, by the name that it gives them on Linux; None where there are none to be seen.

    It has no call that tells, and takes as many as there are cores that it may use.
    """
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    return names.count("tf_XLAEigen") or None


@partial(jax.jit, static_argnames=("count", "precision"))
def repeated_product(left, right, count, precision):
    """Compute the same product ``count`` times, in one call: a GPU's takes less than a dispatch."""

    def again(state, _):
        left, product = state
        # An element that seems to hang on the last product, and never changes: else XLA takes the product out of the
        # loop, optimization_barrier or not.
        corner = jnp.minimum(left[:1, :1], product[:1, :1] + 1e30)
        left = jax.lax.dynamic_update_slice(left, corner, (0, 0))
        return (left, jnp.matmul(left, right, precision=precision)), None

    start = left, jnp.matmul(left, right, precision=precision)
    # Unrolled, since on a GPU each turn of a loop is handed over by the host.
    return jax.lax.scan(again, start, length=count - 1, unroll=10)[0][1]


def multiply(left, right, count, precision):
    at_once = 100 if left.device.platform == "gpu" else 1
    for _ in range(count // at_once):
        product = repeated_product(left, right, at_once, precision)
    for _ in range(count % at_once):
        product = repeated_product(left, right, 1, precision)
    return product


def gpu_activity(work):
    options = jax.profiler.ProfileOptions()
    options.host_tracer_level = options.python_tracer_level = 0
    with tempfile.TemporaryDirectory() as directory:
        with jax.profiler.trace(directory, profiler_options=options):
            work()
        files = [jax.profiler.ProfileData.from_file(str(path)) for path in Path(directory).rglob("*.xplane.pb")]
        return [event for file in files for event in nvidia.activity(profiled_events(file.planes))]


def trace(work, folder):
    with jax.profiler.trace(folder, create_perfetto_trace=True):
        work()


def profiled_events(planes):
    """Yield plane, line, name, start and stop of all events of a profile, in nanoseconds."""
    for plane in planes:
        for line in plane.lines:
            for event in line.events:
                yield plane.name, line.name, event.name, event.start_ns, event.start_ns + event.duration_ns


def copy(array, count=1):
    for _ in range(count):
        copied = jnp.copy(array)
    return copied.block_until_ready()


def about_jax():
    devices, no_gpu_because = [], None
    for platform in ("cpu", "gpu"):
        try:
            devices += jax.devices(platform)
        except RuntimeError as error:  # where JAX_PLATFORMS leaves it out, the CPU, too
            no_gpu_because = str(error) if platform == "gpu" else None
    return {
        **built_for(),
        "devices": ["cpu" if device.platform == "cpu" else f"gpu:{device.device_kind}" for device in devices],
        "no_gpu_because": no_gpu_because,
        "tf32_by_default": TF32_BY_DEFAULT,
        "xla_flags": XLA_FLAGS,
    }


def built_for():
    """Return the CUDA and the cuDNN that JAX's plugin was built for; JAX has no public call that tells."""
    try:
        from jax._src.lib import cuda_versions

        cuda, cudnn = cuda_versions.cuda_runtime_build_version(), cuda_versions.cudnn_build_version()
    except (ImportError, AttributeError):  # None where there is no plugin
        return {"cuda": None, "cudnn": None}
    return {"cuda": cuda_text(cuda), "cudnn": cudnn_text(cudnn)}


# JAX's own events. A function that is traced traces those that it calls, so they lie within one another.
PHASES = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "trace",
    "/jax/core/compile/backend_compile_duration": "compile",
}
SPANS = {"trace": [], "compile": []}  # start and end of each, in seconds


def note_compiling(event, began, ended, **_):
    if event in PHASES:
        SPANS[PHASES[event]].append((began, ended))


jax.monitoring.register_event_time_span_listener(note_compiling)


def compiling():
    """Return what JAX has traced and lowered, and what XLA has compiled; what lies within another counts once."""
    compiled = covered(SPANS["compile"])
    return {"trace": covered([*SPANS["trace"], *SPANS["compile"]]) - compiled, "compile": compiled}


def covered(spans):
    """Return the seconds that lie within any of these spans."""
    total, until = 0.0, float("-inf")
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def count_work(work):
    """Count what XLA has compiled: instructions after its optimisation, fusions, and its own estimate of their cost."""
    work()
    found = dict.fromkeys(("programs", "instructions", "fusions", "FLOPs", "bytes accessed"), 0)
    for program in jax.devices()[0].client.live_executables():
        text = "".join(module.to_string() for module in program.hlo_modules())
        cost = program.cost_analysis()
        found["programs"] += 1
        found["instructions"] += text.count(" = ")
        found["fusions"] += text.count(" fusion(")
        found["FLOPs"] += int(cost.get("flops", 0))
        found["bytes accessed"] += int(cost.get("bytes accessed", 0))
    return {}, found


class JaxEngine:
    """What a trainer that computes with JAX on ``self.device`` is asked beside training."""

    compiling_allocates = True  # on a GPU, XLA tries its kernels out on buffers of the same allocator
    device_activity = staticmethod(gpu_activity)
    count_work = staticmethod(count_work)
    about = staticmethod(about_jax)
    compiling = staticmethod(compiling)
    threads = staticmethod(xla_threads)
    trace = staticmethod(trace)

    def memory(self):
        return allocator_memory(self.device)

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        found, name = use_device(device)
        if precision == "tf32" and name == "cpu":
            return None
        dtype = jnp.bfloat16 if precision == "bf16" else jnp.float32
        algorithm = "TF32_TF32_F32" if precision == "tf32" else "highest"
        return (
            lambda array: jax.device_put(array, found).astype(dtype),
            lambda left, right, count=1: multiply(left, right, count, algorithm).block_until_ready(),
        )

    @staticmethod
    def device_copy(device="cpu"):
        found, name = use_device(device)
        if name == "cpu":
            return None  # there each copy is new memory, and the kernel's mapping of it would be measured
        return lambda array: jax.device_put(array, found), copy
