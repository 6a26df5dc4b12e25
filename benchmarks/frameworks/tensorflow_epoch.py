"""TensorFlow, a whole epoch in one call: the steps of tensorflow.py in the loop of one graph."""

from __future__ import annotations

import tensorflow as tf

from benchmarks.frameworks.tensorflow import TensorFlowTrainer, cut
from benchmarks.frameworks.trainer import Contract


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
