"""TensorFlow without Keras: tf.function over a GradientTape, fed by tf.data; with XLA; a whole epoch in one graph."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path

import tensorflow as tf

from benchmarks.frameworks.engines import nvidia
from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer, threads_asked

TF32_BY_DEFAULT = tf.config.experimental.tensor_float_32_execution_enabled()
tf.config.experimental.enable_tensor_float_32_execution(False)  # fp32 means fp32; TensorFlow's default is TF32
tf.config.threading.set_intra_op_parallelism_threads(threads_asked())


class MLP(tf.Module):
    def __init__(self, parameters):
        super().__init__()
        self.layers = [(tf.Variable(weight), tf.Variable(bias)) for weight, bias in parameters]

    def __call__(self, images):
        for weight, bias in self.layers[:-1]:
            images = tf.tanh(images @ weight + bias)
        weight, bias = self.layers[-1]
        return images @ weight + bias


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


def train_tensors(dataset, place):
    """Return the training images and labels as tensors on a device."""
    with tf.device(place):
        return tf.constant(dataset.train_images), tf.constant(dataset.train_labels)


def cut(tensors, batch):
    images, labels = tensors
    return tf.gather(images, batch), tf.gather(labels, batch)


def host_fed(tensors, order, batch_size):
    """Return the batches of an epoch as a tf.data pipeline, which cuts them on the host while the device trains."""
    batches, tune = tf.data.Dataset.from_tensor_slices(order).batch(batch_size), tf.data.AUTOTUNE
    return batches.map(partial(cut, tensors), num_parallel_calls=tune).prefetch(tune)


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


def profiled_events(profile):
    """Yield plane, line, name, start and stop of all events of a serialized profile, in nanoseconds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    for plane in xplane_pb2.XSpace.FromString(profile).planes:
        for line in plane.lines:
            for event in line.events:
                start = line.timestamp_ns + event.offset_ps / 1000
                name = plane.event_metadata[event.metadata_id].name
                yield plane.name, line.name, name, start, start + event.duration_ps / 1000


class TensorFlowTrainer(Trainer):
    contract = Contract("graph")
    jit_compile = False
    data_device = "CPU:0"  # host-fed, also where there is a GPU

    def __init__(self, workload, dataset, parameters, device):
        self.on_gpu, self.device_name = use_device(device)
        self.workload, self.dataset = workload, dataset
        self.train_data = train_tensors(dataset, self.data_device)
        self.model = MLP(parameters)
        self.step = tf.function(self.take_step, jit_compile=self.jit_compile)
        self.predict = tf.function(self.model)

    def train_epoch(self, order):
        total_loss = self.train(order)
        if self.on_gpu:
            tf.test.experimental.sync_devices()
        return float(total_loss) / len(order)

    def train(self, order):
        total_loss = tf.zeros(())
        for images, labels in host_fed(self.train_data, order, self.workload.batch_size):
            total_loss += self.step(images, labels)
        return total_loss

    def take_step(self, images, labels):
        """Take one SGD step and return the sum of the images' losses before it."""
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self.model(images))
            loss = tf.reduce_mean(losses)
        variables = self.model.trainable_variables
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):
            variable.assign_sub(self.workload.learning_rate * gradient)
        return tf.reduce_sum(losses)

    def evaluate(self):
        data = tf.data.Dataset.from_tensor_slices((self.dataset.test_images, self.dataset.test_labels))
        correct = 0
        for images, labels in data.batch(self.workload.batch_size):
            predicted = tf.argmax(self.predict(images), axis=1, output_type=tf.int32)
            correct += int(tf.math.count_nonzero(predicted == labels))
        return correct / len(self.dataset.test_labels)

    def parameters(self):
        return [(weight.numpy(), bias.numpy()) for weight, bias in self.model.layers]

    def threads(self):
        return tf.config.threading.get_intra_op_parallelism_threads()

    def device_activity(self, work):
        return gpu_activity(work)

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

    @staticmethod
    def about():
        return about_tensorflow()

    def memory(self):
        return allocator_memory(self.on_gpu)


class TensorFlowXlaTrainer(TensorFlowTrainer):
    contract = Contract("compiled")
    jit_compile = True


class TensorFlowEpochTrainer(TensorFlowTrainer):
    """All images live on the device; an epoch is one tf.function, its loop a tf.while_loop."""

    contract = Contract("fused-epoch", data="device-resident")
    data_device = None

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.train_in_graph = tf.function(self.loop, input_signature=[tf.TensorSpec([None], tf.int64)])

    def train(self, order):
        return self.train_in_graph(order)

    def loop(self, order):
        size = self.workload.batch_size
        total_loss = tf.zeros(())
        for start in tf.range(0, len(order), size):  # AutoGraph makes a tf.while_loop of it
            total_loss += self.take_step(*cut(self.train_data, order[start : start + size]))
        return total_loss
