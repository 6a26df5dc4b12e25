"""Keras's ranks: ``keras.distribution.DataParallel``, on JAX, and fit; its devices of several processes, or of one."""

from __future__ import annotations

import keras
import numpy as np
from keras import distribution

from benchmarks.frameworks.keras import perceptron
from benchmarks.ranks import RankTrainer
from benchmarks.ranks.jax_ranks import make_devices


class DataParallelRank(RankTrainer):
    def __init__(self, workload, parameters, place):
        self.join(place)
        # Of what fit is given, each rank has its share already.
        over_all = distribution.DataParallel(devices=distribution.list_devices(), auto_shard_dataset=False)
        distribution.set_distribution(over_all)
        self.model = perceptron(workload.layer_sizes)
        self.model.compile(
            optimizer=keras.optimizers.SGD(workload.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=True,
        )
        self.model.set_weights([array for layer in parameters for array in layer])

    def join(self, place):
        distribution.initialize(place.addresses[0], place.ranks, place.rank)

    def train(self, batches):
        sizes = []

        def counted():
            for images, labels in batches:
                sizes.append(len(labels))
                yield images, labels

        mean_loss = self.model.fit(counted(), verbose=0).history["loss"][0]  # of all ranks' images
        return mean_loss * sum(sizes)

    def parameters(self, device):
        arrays = [np.array(variable.value.addressable_data(device)) for variable in self.model.weights]
        return list(zip(arrays[::2], arrays[1::2]))


class DataParallelProcess(DataParallelRank):
    def join(self, place):
        make_devices(place)
