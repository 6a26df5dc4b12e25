"""TensorFlow and a device, without a trainer: its products there, what ran there, and what it says of it."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path

import tensorflow as tf
from tensorflow.python.eager import context

from benchmarks.frameworks.engines import nvidia
from benchmarks.frameworks.trainer import NoGpu, threads_asked

TF32_BY_DEFAULT = tf.config.experimental.tensor_float_32_execution_enabled()
tf.config.experimental.enable_tensor_float_32_execution(False)  # fp32 means fp32; TensorFlow's default is TF32
tf.config.threading.set_intra_op_parallelism_threads(threads_asked())


def use_device(device):
    """Let TensorFlow see the GPU asked for, or none; return whether it will use one, and the suite's name for it."""
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise NoGpu
    if device == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        return False, "cpu"
    tf.config.set_visible_devices(gpus[:1], "GPU")
    tf.config.experimental.set_memory_growth(gpus[0], True)  # else nearly all of the GPU is taken at once
    return True, f"gpu:{tf.config.experimental.get_device_details(gpus[0]).get('device_name')}"


def allocator_memory(on_gpu):
    return {"allocator_peak_bytes": tf.config.experimental.get_memory_info("GPU:0")["peak"]} if on_gpu else {}


def about_tensorflow():
    build, gpus = tf.sysconfig.get_build_info(), tf.config.list_physical_devices("GPU")
    details = map(tf.config.experimental.get_device_details, gpus)
    flags = [os.environ.get(name) for name in ("XLA_FLAGS", "TF_XLA_FLAGS")]
    return {
        "cuda": build.get("cuda_version"),
        "cudnn": build.get("cudnn_version"),
        "devices": ["cpu"] + [f"gpu:{detail.get('device_name')}" for detail in details],
        "tf32_by_default": TF32_BY_DEFAULT,
        "xla_flags": " ".join(filter(None, flags)) or None,
    }


def multiply(left, right, count=1, tf32=False):
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    try:
        for _ in range(count):
            product = left @ right
        if "GPU" in product.device:
            tf.test.experimental.sync_devices()
        return product
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(False)


def gpu_activity(work):
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=0, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as directory:
        with tf.profiler.experimental.Profile(directory, options):
            work()
        profiles = [path.read_bytes() for path in Path(directory).rglob("*.xplane.pb")]
        return [event for profile in profiles for event in nvidia.activity(profiled_events(profile))]


def trace(work, folder):
    with tf.profiler.experimental.Profile(folder):
        work()


def profiled_events(profile):
    """Yield plane, line, name, start and stop of all events of a serialized profile, in nanoseconds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    for plane in xplane_pb2.XSpace.FromString(profile).planes:
        for line in plane.lines:
            for event in line.events:
                start = line.timestamp_ns + event.offset_ps / 1000
                name = plane.event_metadata[event.metadata_id].name
                yield plane.name, line.name, name, start, start + event.duration_ps / 1000


def count_work(work):
    """Count the functions that TensorFlow has traced, and the nodes of their graphs; no public call lists them."""
    work()
    known = context.context()
    traced = [known.get_function_def(name) for name in known.list_function_names()]
    return {}, {"graphs": len(traced), "graph nodes": sum(len(each.node_def) for each in traced)}


class TensorFlowEngine:
    """What a trainer that computes with TensorFlow is asked beside training; ``self.on_gpu`` says where it does."""

    device_activity = staticmethod(gpu_activity)
    count_work = staticmethod(count_work)
    about = staticmethod(about_tensorflow)
    threads = staticmethod(tf.config.threading.get_intra_op_parallelism_threads)
    trace = staticmethod(trace)

    def synchronize(self):
        if self.on_gpu:
            tf.test.experimental.sync_devices()

    def memory(self):
        return allocator_memory(self.on_gpu)

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        on_gpu, _ = use_device(device)
        if precision != "fp32" and not on_gpu:
            return None
        dtype = tf.bfloat16 if precision == "bf16" else tf.float32

        def place(array):
            with tf.device("GPU:0" if on_gpu else "CPU:0"):
                return tf.cast(tf.constant(array), dtype)

        return place, partial(multiply, tf32=precision == "tf32")
