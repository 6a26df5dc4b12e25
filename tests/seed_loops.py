"""The training loops that the seed experiment was made of, each as plain as it was: what a user would write first.

They draw their own start and their own order, as theirs did; pixels are float32 here. One epoch a call; the clock
stands around it and waits for the device, which the seed experiment's JAX loop did not.
"""

import numpy as np


def jax_epochs(workload, dataset):
    import jax
    import jax.numpy as jnp

    images, targets = dataset.train_images, np.eye(10, dtype=np.float32)[dataset.train_labels]
    keys = jax.random.split(jax.random.PRNGKey(0), len(workload.layer_sizes))
    params = [
        (0.1 * jax.random.normal(key, (n, m)), 0.1 * jax.random.normal(key, (m,)))
        for key, n, m in zip(keys, workload.layer_sizes[:-1], workload.layer_sizes[1:])
    ]

    def loss(params, images, targets):
        for weight, bias in params[:-1]:
            images = jnp.tanh(jnp.dot(images, weight) + bias)
        weight, bias = params[-1]
        logits = jnp.dot(images, weight) + bias
        return -jnp.mean(jnp.sum(targets * (logits - jax.nn.logsumexp(logits, axis=1, keepdims=True)), axis=1))

    @jax.jit
    def update(params, images, targets):
        grads = jax.grad(loss)(params, images, targets)
        return jax.tree.map(lambda p, g: p - workload.learning_rate * g, params, grads)

    def epoch():
        nonlocal params
        order = np.random.permutation(len(images))
        for start in range(0, len(images), workload.batch_size):
            batch = order[start : start + workload.batch_size]
            params = update(params, images[batch], targets[batch])
        jax.block_until_ready(params)

    return epoch


def torch_epochs(workload, dataset):
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    targets = torch.eye(10)[torch.from_numpy(dataset.train_labels).long()]
    loader = DataLoader(
        TensorDataset(torch.from_numpy(dataset.train_images), targets), batch_size=workload.batch_size, shuffle=True
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    a, b, c, d = workload.layer_sizes
    model = nn.Sequential(nn.Linear(a, b), nn.Tanh(), nn.Linear(b, c), nn.Tanh(), nn.Linear(c, d)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=workload.learning_rate)
    criterion = nn.CrossEntropyLoss()

    def epoch():
        for images, labels in loader:
            optimizer.zero_grad()
            criterion(model(images.to(device)), labels.to(device)).backward()
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return epoch


def keras_epochs(workload, dataset):
    import os

    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    images, targets = dataset.train_images, keras.utils.to_categorical(dataset.train_labels, 10)
    *hidden, classes = workload.layer_sizes[1:]
    model = keras.Sequential(
        [keras.Input(workload.layer_sizes[:1])]
        + [keras.layers.Dense(units, activation="tanh") for units in hidden]
        + [keras.layers.Dense(classes, activation="softmax")]
    )
    model.compile(keras.optimizers.SGD(workload.learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    return lambda: model.fit(images, targets, batch_size=workload.batch_size, verbose=0)


LOOPS = {"jax": jax_epochs, "torch": torch_epochs, "keras": keras_epochs}
