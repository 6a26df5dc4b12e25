"""TensorFlow without Keras: tf.function over a GradientTape, fed by tf.data; and with XLA."""

from __future__ import annotations

from functools import partial

import tensorflow as tf

from benchmarks.frameworks.engines.tensorflow_engine import TensorFlowEngine, use_device
from benchmarks.frameworks.trainer import Contract, Trainer


class MLP(tf.Module):
    def __init__(self, parameters):
        super().__init__()
        self.layers = [(tf.Variable(weight), tf.Variable(bias)) for weight, bias in parameters]

    def __call__(self, images):
        for weight, bias in self.layers[:-1]:
            images = tf.tanh(images @ weight + bias)
        weight, bias = self.layers[-1]
        return images @ weight + bias


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


class TensorFlowTrainer(TensorFlowEngine, Trainer):
    contract = Contract("graph")
    jit_compile = False
    data_device = "CPU:0"  # host-fed, also where there is a GPU

    def __init__(self, workload, dataset, parameters, device):
        self.on_gpu, self.device_name = use_device(device)
        self.workload, self.dataset = workload, dataset
        self.train_data = train_tensors(dataset, self.data_device)
        self.model = MLP(parameters)
        images = tf.TensorSpec([None, workload.layer_sizes[0]], tf.float32)
        labels = tf.TensorSpec([None], tf.int32)
        self.step = tf.function(self.take_step, input_signature=[images, labels], jit_compile=self.jit_compile)
        self.predict = tf.function(self.model, input_signature=[images])

    def train_epoch(self, order):
        total_loss = self.train(order)
        self.synchronize()
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

    def logits(self, images):
        return self.predict(tf.constant(images)).numpy()

    def parameters(self):
        return [(weight.numpy(), bias.numpy()) for weight, bias in self.model.layers]


class TensorFlowXlaTrainer(TensorFlowTrainer):
    contract = Contract("compiled")
    jit_compile = True
