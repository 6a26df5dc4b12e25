"""Trainers of the frameworks that do a little more than their originals, and train the same network.

One adds an operator, one breaks a graph, one keeps XLA from fusing: ``--framework-path tests/liars/more_work.py``. Each
one's framework is imported once it is asked for.
"""

TRAINERS = {
    "jax-more": ("JaxLostFusion", "jax"),
    "torch-more": ("TorchOperator", "torch"),
    "torch-compile-more": ("TorchGraphBreak", "torch"),
    "keras-more": ("KerasOperator", "keras", "tensorflow"),
    "tensorflow-more": ("TensorFlowOperator", "tensorflow"),
}


def __getattr__(name):
    made = {"JaxLostFusion": jax, "TorchOperator": torch, "TorchGraphBreak": torch_compile, "KerasOperator": keras}
    made["TensorFlowOperator"] = tensorflow
    if name not in made:
        raise AttributeError(name)
    return made[name]()


def jax():
    import jax

    from benchmarks.frameworks import jax as original

    def mean_loss(params, images, labels):
        for weight, bias in params[:-1]:
            images = jax.numpy.tanh(jax.lax.optimization_barrier(images @ weight + bias))
        weight, bias = params[-1]
        return original.cross_entropy(images @ weight + bias, labels)

    @jax.jit
    def step(params, total_loss, images, labels, rate):
        loss, grads = jax.value_and_grad(mean_loss)(params, images, labels)
        return jax.tree.map(lambda p, g: p - rate * g, params, grads), total_loss + loss * len(labels)

    class JaxLostFusion(original.JaxTrainer):
        def step(self, total_loss, images, labels):
            self.params, total_loss = step(self.params, total_loss, images, labels, self.workload.learning_rate)
            return total_loss

    return JaxLostFusion


def torch():
    from benchmarks.frameworks.torch import TorchTrainer

    class TorchOperator(TorchTrainer):
        def mean_loss(self, images, labels):
            return super().mean_loss(images, labels) * 1.0

    return TorchOperator


def torch_compile():
    from torch import _dynamo

    from benchmarks.frameworks.torch_compile import TorchCompileTrainer

    class TorchGraphBreak(TorchCompileTrainer):
        def sgd_step(self, images, labels):
            images = images * 1.0
            _dynamo.graph_break()
            return super().sgd_step(images, labels)

    return TorchGraphBreak


def keras():
    import keras

    from benchmarks.frameworks.keras_tensorflow import KerasTensorFlowTrainer

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    class KerasOperator(KerasTensorFlowTrainer):
        def __init__(self, workload, dataset, parameters, device):
            super().__init__(workload, dataset, parameters, device)
            sgd = keras.optimizers.SGD(workload.learning_rate)
            self.model.compile(optimizer=sgd, loss=lambda true, logits: loss(true, keras.ops.clip(logits, -99, 99)))

    return KerasOperator


def tensorflow():
    import tensorflow as tf

    from benchmarks.frameworks.tensorflow import TensorFlowTrainer

    class TensorFlowOperator(TensorFlowTrainer):
        def take_step(self, images, labels):
            return super().take_step(tf.clip_by_value(images, 0.0, 1.0), labels)

    return TensorFlowOperator
