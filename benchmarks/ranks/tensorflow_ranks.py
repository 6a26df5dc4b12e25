"""TensorFlow's ranks: MultiWorkerMirroredStrategy, which finds the others in ``TF_CONFIG``."""

from __future__ import annotations

import json
import os

import tensorflow as tf

from benchmarks.frameworks.tensorflow import MLP
from benchmarks.ranks import RankTrainer


class MultiWorkerRank(RankTrainer):
    def __init__(self, workload, parameters, place):
        self.rate = workload.learning_rate
        task = {"type": "worker", "index": place.rank}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": list(place.addresses)}, "task": task})
        self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        with self.strategy.scope():
            self.model = MLP(parameters)
        images, labels = tf.TensorSpec([None, workload.layer_sizes[0]], tf.float32), tf.TensorSpec([None], tf.int32)
        self.step = tf.function(
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
            total += self.step(tf.constant(images), tf.constant(labels))
        return float(total)

    def parameters(self):
        return [(weight.numpy(), bias.numpy()) for weight, bias in self.model.layers]
