"""Training by Adam: the paper's first form, whose proof holds in float32; Keras's other form does not pass for it."""

from functools import partial

import numpy as np
import pytest

from benchmarks.frameworks import REGISTRY
from benchmarks.proof import parity
from benchmarks.workload import networks, optimizers, oracle
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload


def test_adam_s_first_step_is_the_rate_in_each_direction_and_a_steady_gradient_goes_on_so():
    """What follows from its paper, whatever the gradient's size; and epsilon alone where there is none to speak of."""
    arrays = [np.zeros(3)]
    adam = optimizers.Adam(Workload(optimizer="adam", learning_rate=0.5), arrays)
    for number in range(1, 4):
        adam.step([np.array([1e-3, -7.0, 0.0])])
        assert arrays[0] == pytest.approx([-0.5 * number, 0.5 * number, 0.0], rel=1e-4)
    adam.step([np.array([1e-3, 7.0, 1e-9])])
    # Its mean remembers: of three gradients of -7 and one of 7, 1.0073 is left, corrected by 1 - 0.9^4.
    assert arrays[0][1] == pytest.approx(1.5 + 0.5 * 1.0073 / 0.3439 / 7, rel=1e-4)


def test_it_is_usually_trained_slowly_enough_for_float32():
    found = Workload.usual(optimizer="adam")
    assert (found.learning_rate, found.epochs) == (0.0001, 3)
    assert found.label() == "learning_rate=0.0001,epochs=3,optimizer=adam"
    assert Workload.usual(optimizer="adam", learning_rate=0.01).learning_rate == 0.01


@pytest.mark.parametrize("form", ["paper", "keras"])
def test_adam_in_float32_agrees_and_epsilon_elsewhere_does_not(form):
    """Where Keras has it, an honest trainer would be off by more than any tolerance that catches a wrong one."""
    adam, dataset = Workload.usual(dataset="synthetic", layer_sizes=(784, 16, 10), optimizer="adam"), synthetic()
    training = oracle.Training(adam, adam.initial_parameters())
    if form == "keras":
        training._optimizer.step = partial(as_keras, training._optimizer)
    batches = parity.parity_batches(adam, len(dataset.train_labels))
    losses = [training.train([batch], dataset)[0] for batch in batches]
    steps = {"losses": losses, "parameters": training.parameters, "contract": {"data": "host-fed"}}
    if form == "paper":
        return parity.check_steps("honest", steps, adam, dataset)
    with pytest.raises(parity.ParityError, match="parity fails"):
        parity.check_steps("keras", steps, adam, dataset)


def as_keras(adam, gradients):
    adam.steps += 1
    first, second = networks.BETAS
    for array, mean, square, gradient in zip(adam.arrays, adam.means, adam.squares, gradients):
        mean += (1 - first) * (gradient - mean)
        square += (1 - second) * (gradient * gradient - square)
        rate = adam.rate * (1 - second**adam.steps) ** 0.5 / (1 - first**adam.steps)
        array -= (rate * mean / (np.sqrt(square) + networks.ADAM_EPSILON)).astype(array.dtype)


@pytest.mark.parametrize("name", ["jax", "torch", "keras"])
def test_frameworks_train_by_adam_or_say_why_not(name, suite, tmp_path):
    pytest.importorskip(REGISTRY[name].requires[0])
    (tmp_path / "adam.toml").write_text('optimizer = "adam"\n')
    run = suite(f"--workload={tmp_path / 'adam.toml'}", "--epochs=2", "--steps=12", frameworks=name)
    ((kind, reason),) = run.outcomes.values()
    if name == "keras":
        assert kind == "skipped" and "its Adam adds epsilon elsewhere" in reason
    else:
        assert (kind, reason) == ("passed", ""), run.output
        assert "optimizer=adam" in run.output
