"""TensorFlow's ranks: MultiWorkerMirroredStrategy, which finds the others in ``TF_CONFIG``; in one, Mirrored."""

from __future__ import annotations

import json
import os

import tensorflow as tf

from benchmarks.frameworks.tensorflow import MLP
from benchmarks.ranks import RankTrainer


class MultiWorkerRank(RankTrainer):
    def __init__(self, workload, parameters, place):
        self.rate = workload.learning_rate
        self.strategy = self.joined(place)
        with self.strategy.scope():
            self.model = MLP(parameters)
        self.step = self.compiled(workload)

    def joined(self, place):
        task = {"type": "worker", "index": place.rank}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": list(place.addresses)}, "task": task})
        return tf.distribute.MultiWorkerMirroredStrategy()

    def compiled(self, workload):
        images, labels = tf.TensorSpec([None, workload.layer_sizes[0]], tf.float32), tf.TensorSpec([None], tf.int32)
        return tf.function(
            lambda images, labels: self.strategy.run(self.take_step, (images, labels)), input_signature=[images, labels]
        )

    def take_step(self, images, labels):
        """Take one SGD step, and return the sum of the losses of this rank's images before it."""
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self.model(images))
            loss = tf.reduce_mean(losses)
        variables = self.model.trainable_variables
        here = tf.distribute.get_replica_context()
        gradients = here.all_reduce(tf.distribute.ReduceOp.MEAN, tape.gradient(loss, variables))
        here.merge_call(self.apply, (list(zip(variables, gradients)),))
        return tf.reduce_sum(losses)

    def apply(self, strategy, pairs):
        for variable, gradient in pairs:
            strategy.extended.update(variable, lambda its, by: its.assign_sub(self.rate * by), args=(gradient,))

    def train(self, batches):
        total = tf.zeros(())
        for images, labels in batches:
            total += self.step(images, labels)
        return float(total)

    def parameters(self, device):
        return [(weight.numpy(), bias.numpy()) for weight, bias in self.model.layers]


class MirroredProcess(MultiWorkerRank):
    def joined(self, place):
        if place.device == "cpu":
            (processor,) = tf.config.list_physical_devices("CPU")
            parts = [tf.config.LogicalDeviceConfiguration()] * place.devices
            tf.config.set_logical_device_configuration(processor, parts)
        devices = tf.config.list_logical_devices(place.device.upper())
        return tf.distribute.MirroredStrategy([device.name for device in devices])

    def compiled(self, workload):
        @tf.function(reduce_retracing=True)
        def step(images, labels):
            return self.strategy.reduce("sum", self.strategy.run(self.take_step, (images, labels)), axis=None)

        return lambda images, labels: step(*self.shared((images, labels)))

    def shared(self, batch):
        """Return a batch of which each device has its share."""
        devices = self.strategy.num_replicas_in_sync

        def share_of(here):
            return tuple(tf.constant(array[here.replica_id_in_sync_group :: devices]) for array in batch)

        return self.strategy.experimental_distribute_values_from_function(share_of)

    def parameters(self, device):
        return [tuple(variable.values[device].numpy() for variable in layer) for layer in self.model.layers]
