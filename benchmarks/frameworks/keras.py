"""Keras on TensorFlow: a Sequential model, compile and fit."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer

tf.config.experimental.enable_tensor_float_32_execution(False)  # fp32 means fp32; TensorFlow's default is TF32


class KerasTrainer(Trainer):
    contract = Contract("graph")

    def __init__(self, workload, dataset, parameters, device):
        gpus = tf.config.list_physical_devices("GPU")
        if device == "gpu" and not gpus:
            raise NoGpu
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        self.on_gpu = bool(gpus) and device != "cpu"
        self.device_name = "cpu"
        if self.on_gpu:
            self.device_name = f"gpu:{tf.config.experimental.get_device_details(gpus[0]).get('device_name')}"
            tf.config.set_visible_devices(gpus[:1], "GPU")
            tf.config.experimental.set_memory_growth(gpus[0], True)  # else nearly all of the GPU is taken at once
        self.workload, self.dataset = workload, dataset
        with tf.device("CPU:0"):  # host-fed, also where there is a GPU
            self.train_images = tf.constant(dataset.train_images)
            self.train_labels = tf.constant(dataset.train_labels)
        *hidden, classes = workload.layer_sizes[1:]
        self.model = keras.Sequential(
            [keras.Input(workload.layer_sizes[:1])]
            + [keras.layers.Dense(units, activation="tanh") for units in hidden]
            + [keras.layers.Dense(classes)]
        )
        self.model.compile(
            optimizer=keras.optimizers.SGD(workload.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,  # a graph, as the contract says; Keras's default is XLA as soon as there is a GPU
        )
        self.model.set_weights([array for layer in parameters for array in layer])

    def train_epoch(self, order):
        batches = tf.data.Dataset.from_tensor_slices(order).batch(self.workload.batch_size)
        batches = batches.map(self.cut, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        history = self.model.fit(batches, verbose=0)
        if self.on_gpu:
            tf.test.experimental.sync_devices()
        return history.history["loss"][0]

    def cut(self, batch):
        return tf.gather(self.train_images, batch), tf.gather(self.train_labels, batch)

    def evaluate(self):
        logits = self.model.predict(self.dataset.test_images, self.workload.batch_size, verbose=0)
        return float(np.mean(logits.argmax(axis=1) == self.dataset.test_labels))

    def parameters(self):
        arrays = self.model.get_weights()
        return list(zip(arrays[::2], arrays[1::2]))

    def memory(self):
        if not self.on_gpu:
            return {}
        return {"allocator_peak_bytes": tf.config.experimental.get_memory_info("GPU:0")["peak"]}
