"""Keras: a Sequential model, compile and fit, on each of its backends; KERAS_BACKEND (in the registry) says which."""

from __future__ import annotations

import keras
import numpy as np

from benchmarks.frameworks.trainer import Contract, Trainer
from pytest_duet.errors import DuetError


class KerasTrainer(Trainer):
    """What all backends share; the subclasses know their devices and their data.

    ``backend_trainer()`` gives the trainer of the framework underneath, which is asked what is the framework's to say.
    """

    keras_backend: str | None = None  # every subclass names its own
    jit_compile = False
    steps_per_execution = 1

    def __init__(self, workload, dataset, parameters, device):
        found = keras.config.backend()
        if found != self.keras_backend:  # Keras reads KERAS_BACKEND once a process, when it is imported
            raise DuetError(
                f"{type(self).__name__} trains with Keras on {self.keras_backend}, and Keras runs on {found} in this "
                "process already: give each backend a process of its own, as --isolation=process does, or a session."
            )
        self.workload, self.dataset = workload, dataset
        self.use(device)
        *hidden, classes = workload.layer_sizes[1:]
        self.model = keras.Sequential(
            [keras.Input(workload.layer_sizes[:1])]
            + [keras.layers.Dense(units, activation="tanh") for units in hidden]
            + [keras.layers.Dense(classes)]
        )
        self.model.compile(
            optimizer=keras.optimizers.SGD(workload.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=self.jit_compile,  # said aloud: Keras's default depends on the machine
            steps_per_execution=self.steps_per_execution,
        )
        self.model.set_weights([array for layer in parameters for array in layer])

    def train_epoch(self, order):
        history = self.model.fit(self.batches(order), shuffle=False, verbose=0)
        self.synchronize()
        return history.history["loss"][0]

    def batches(self, order):
        return Batches(self.dataset, self.workload.batches(order))

    def evaluate(self):
        logits = self.model.predict(self.dataset.test_images, self.workload.batch_size, verbose=0)
        return float(np.mean(logits.argmax(axis=1) == self.dataset.test_labels))

    def device_activity(self, work):
        return self.backend.gpu_activity(work)

    @classmethod
    def matrix_product(cls, device="cpu", precision="fp32"):
        return cls.backend_trainer().matrix_product(device, precision)

    @classmethod
    def about(cls):
        return cls.backend_trainer().about()

    def parameters(self):
        arrays = self.model.get_weights()
        return list(zip(arrays[::2], arrays[1::2]))


class Batches(keras.utils.PyDataset):
    """Keras's own way to feed any backend."""

    def __init__(self, dataset, batches):
        super().__init__()
        self.dataset, self.batches = dataset, batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        batch = self.batches[index]
        return self.dataset.train_images[batch], self.dataset.train_labels[batch]


class KerasTensorFlowTrainer(KerasTrainer):
    """Fed by tf.data: with NumPy arrays, fit would be some 10 % slower."""

    contract = Contract("graph")
    keras_backend = "tensorflow"

    @staticmethod
    def backend_trainer():
        from benchmarks.frameworks.tensorflow import TensorFlowTrainer

        return TensorFlowTrainer

    def use(self, device):
        from benchmarks.frameworks import tensorflow

        self.backend, self.tf = tensorflow, tensorflow.tf
        self.on_gpu, self.device_name = tensorflow.use_device(device)
        self.train_data = tensorflow.train_tensors(self.dataset, "CPU:0")  # host-fed, also where there is a GPU

    def batches(self, order):
        return self.backend.host_fed(self.train_data, order, self.workload.batch_size)

    def synchronize(self):
        if self.on_gpu:
            self.tf.test.experimental.sync_devices()

    def threads(self):
        return self.tf.config.threading.get_intra_op_parallelism_threads()

    def memory(self):
        return self.backend.allocator_memory(self.on_gpu)


class KerasXlaTrainer(KerasTensorFlowTrainer):
    contract = Contract("compiled")
    jit_compile = True


class KerasStepsTrainer(KerasTensorFlowTrainer):
    """All steps of an epoch in one call of fit's graph, which takes the batches from tf.data itself."""

    contract = Contract("fused-epoch")

    def __init__(self, workload, dataset, parameters, device):
        self.steps_per_execution = len(workload.batches(dataset.train_labels))
        super().__init__(workload, dataset, parameters, device)

    def evaluate(self):
        # Not predict(), whose graph would hold the network once for every step.
        images, labels = self.dataset.test_images, self.dataset.test_labels
        batches = self.workload.batches(np.arange(len(labels)))
        predicted = [self.model.predict_on_batch(images[batch]).argmax(axis=1) for batch in batches]
        return float(np.mean(np.concatenate(predicted) == labels))


class KerasJaxTrainer(KerasTrainer):
    contract = Contract("compiled")
    keras_backend = "jax"
    jit_compile = True

    @staticmethod
    def backend_trainer():
        from benchmarks.frameworks.jax import JaxTrainer

        return JaxTrainer

    def use(self, device):
        from benchmarks.frameworks import jax

        self.backend = jax
        self.device, self.device_name = jax.use_device(device)

    def synchronize(self):
        self.backend.jax.block_until_ready([variable.value for variable in self.model.variables])

    def threads(self):
        return self.backend.xla_threads()

    def memory(self):
        return self.backend.allocator_memory(self.device)


class KerasTorchTrainer(KerasTrainer):
    contract = Contract("eager")
    keras_backend = "torch"

    @staticmethod
    def backend_trainer():
        from benchmarks.frameworks.torch import TorchTrainer

        return TorchTrainer

    def use(self, device):
        from benchmarks.frameworks import torch

        self.backend = torch
        self.device, self.device_name = torch.use_device(device)
        keras.device("gpu:0" if self.device.type == "cuda" else "cpu:0").__enter__()  # for good

    def synchronize(self):
        if self.device.type == "cuda":
            self.backend.torch.cuda.synchronize()

    def threads(self):
        return self.backend.torch.get_num_threads()

    def memory(self):
        return self.backend.allocator_memory(self.device)
