"""Keras: a Sequential model, compile and fit, on each of its backends; KERAS_BACKEND (in the registry) says which."""

from __future__ import annotations

import keras
import numpy as np

from benchmarks.frameworks.trainer import Trainer
from pytest_duet.errors import DuetError


def perceptron(layer_sizes):
    n_in, *hidden, classes = layer_sizes
    return keras.Sequential(
        [keras.Input((n_in,))]
        + [keras.layers.Dense(units, activation="tanh") for units in hidden]
        + [keras.layers.Dense(classes)]
    )


class KerasTrainer(Trainer):
    """What all backends share; the subclasses know their devices and their data."""

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
        self.model = self.network()
        self.model.compile(
            optimizer=self.optimizer(),
            loss=self.loss(),
            jit_compile=self.jit_compile,  # said aloud: Keras's default depends on the machine
            steps_per_execution=self.steps_per_execution,
        )
        self.model.set_weights([array for layer in parameters for array in layer])

    def network(self):
        return perceptron(self.workload.layer_sizes)

    def optimizer(self):
        return keras.optimizers.SGD(self.workload.learning_rate)

    def loss(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def use(self, device):
        """Prepare the device and the data for it, where a subclass has to, before the model is built."""

    def train_epoch(self, order):
        history = self.model.fit(self.batches(order), shuffle=False, verbose=0)
        self.synchronize()
        return history.history["loss"][0]

    def batches(self, order):
        return Batches(self.dataset, self.workload.batches(order))

    def evaluate(self):
        logits = self.model.predict(self.dataset.test_images, self.workload.batch_size, verbose=0)
        return float(np.mean(logits.argmax(axis=1) == self.dataset.test_labels))

    def logits(self, images):
        return self.model.predict_on_batch(images)

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
