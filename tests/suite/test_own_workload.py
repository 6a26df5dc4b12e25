"""A workload of one's own: what its file may say, what stays as it was, and that a trainer of another one is caught."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.frameworks import REGISTRY
from benchmarks.proof import parity
from benchmarks.workload import data, forward, networks, optimizers, oracle
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.own import read_workload, workload_of
from benchmarks.workload.spec import LATER, Workload
from pytest_duet.errors import DuetError

OWN = """
layer_sizes = [12, 16, 3]
activation = "relu"
momentum = 0.9
loss = "squared-error"
learning_rate = 0.05
dataset = "mine.npz"
epochs = 2
"""


def arrays(count=300, **others):
    random = np.random.RandomState(0)
    labels = random.randint(0, 3, count)
    images = (random.randint(0, 60, (count, 3, 4)) + 60 * labels[:, None, None]).astype(np.uint8)
    found = {"train_images": images, "train_labels": labels, "test_images": images[:90], "test_labels": labels[:90]}
    return {**found, **others}


@pytest.fixture
def own(tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays())
    (tmp_path / "own.toml").write_text(OWN)
    return tmp_path / "own.toml"


def test_what_is_as_ever_goes_by_its_old_words():
    """Saved runs, the oracle's files and older revisions know no other."""
    assert not set(LATER) & {*Workload().as_dict(), *Workload().described()}
    assert Workload().digest().startswith("0dec5093e3092e90"), "the name of a golden file"
    another = Workload(momentum=0.9)
    assert another.as_dict()["momentum"] == 0.9 and another.digest() != Workload().digest()
    assert Workload(**json.loads(json.dumps(another.as_dict()))) == another


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_a_network_is_named_and_what_is_usual_for_it_is_not(network):
    assert Workload.usual(network).label() == ("" if network == "mlp" else f"network={network}")
    assert Workload.usual(network, momentum=0.5).label().endswith("momentum=0.5")
    assert Workload.usual(network).is_everybodys() == (network == "mlp")


@pytest.mark.parametrize("network", ["cnn", "transformer"])
def test_parameters_are_of_the_shapes_that_are_said_and_cost_what_the_forward_pass_multiplies(network):
    workload, multiplied = Workload.usual(network), []

    class Watched(np.ndarray):
        def __matmul__(self, other):
            product = np.matmul(np.asarray(self), np.asarray(other))
            multiplied.append(2 * product.size * self.shape[-1])
            return product.view(Watched)

        def __rmatmul__(self, other):
            return other.view(Watched) @ self

    parameters = [tuple(array.view(Watched) for array in layer) for layer in workload.initial_parameters()]
    assert [tuple(array.shape for array in layer) for layer in parameters] == workload.made_of().shapes
    assert sum(array.size for layer in parameters for array in layer) == workload.n_parameters
    images = synthetic().test_images[:3].view(Watched)
    forward.FORWARD[network](parameters, images, forward.ACTIVATIONS[workload.activation])
    assert sum(multiplied) == 3 * sum(2 * each.rows * each.n_in * each.n_out for each in workload.made_of().products)


def test_every_name_has_its_function():
    assert tuple(forward.FORWARD) == tuple(networks.NETWORKS)
    assert tuple(forward.ACTIVATIONS) == networks.ACTIVATIONS and tuple(forward.LOSSES) == networks.LOSSES
    assert tuple(optimizers.OPTIMIZERS) == networks.OPTIMIZERS


def test_layers_that_scale_begin_around_one():
    scales = [layer[0] for layer in Workload.usual("transformer", init_scale=0.01).initial_parameters()]
    assert [round(float(scales[number].mean()), 1) for number in (1, 2, 4, 7)] == [1, 0, 1, 1]


def test_a_file_says_what_is_trained(own):
    found = read_workload(str(own))
    assert found.pop("dataset") == str(own.parent / "mine.npz")
    assert Workload.usual(**found, dataset="mine").label() == (
        "dataset=mine,layer_sizes=12x16x3,learning_rate=0.05,epochs=2,activation=relu,momentum=0.9,loss=squared-error"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("speed = 1", "'speed' is none of dataset, layer_sizes"),
        ("draw = 1", "'draw' is none of"),
        ("epochs = 2.5", "epochs = 2.5 is not of its kind, such as 6"),
        ("epochs = true", "epochs = True is not of its kind"),
        ("layer_sizes = [784, '8', 10]", "is not of its kind, such as [784, 1024, 1024, 10]"),
        ("loss = ", "cannot be read as TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_name(tmp_path, text, says):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(DuetError) as caught:
        read_workload(str(tmp_path / "own.toml"))
    assert says in str(caught.value)
    with pytest.raises(DuetError, match="neither one of mlp, cnn, transformer, nor a file"):
        read_workload(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"network": "rnn"}, "network = 'rnn': give one of mlp, cnn, transformer"),
        ({"activation": "step"}, "activation = 'step': give one of tanh, relu"),
        ({"loss": "hinge"}, "loss = 'hinge': give one of cross-entropy"),
        ({"momentum": 1.0}, "momentum = 1.0: give a number from 0, and below 1"),
        ({"optimizer": "lion"}, "optimizer = 'lion': give one of sgd, adam"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum = 0.9: that is SGD's, and the optimizer is adam"),
        ({"network": "cnn", "layer_sizes": (784, 8, 10)}, "the channels of two convolutions"),
        ({"network": "transformer", "layer_sizes": (784, 30, 8, 10)}, "a multiple of 4"),
    ],
)
def test_what_cannot_be_trained_is_refused(wrong, says):
    with pytest.raises(DuetError) as caught:
        Workload(**wrong)
    assert says in str(caught.value)


def test_own_data_are_read_scaled_and_told_apart(own):
    found = data.load(str(own.parent / "mine.npz"), Workload(dataset="mine", layer_sizes=(12, 3)))
    assert (found.name, found.train_images.shape, found.train_images.dtype) == ("mine", (300, 12), np.float32)
    assert 0.7 < found.train_images.max() <= 1 and found.train_labels.dtype == np.int32
    np.savez(own.parent / "mine.npz", **arrays(train_images=arrays()["train_images"].astype(np.float64)))
    again = data.from_npz(own.parent / "mine.npz")
    assert again.train_images.max() > 100, "floats are taken as they are"
    assert again.digest != found.digest


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"train_labels": np.zeros(299, int)}, "train_labels is int64 of shape (299,), not a whole number"),
        ({"test_labels": np.zeros(90)}, "test_labels is float64"),
        ({"train_labels": np.full(300, -1)}, "train_labels is int64"),
        ({"train_images": np.zeros((300, 12), int)}, "train_images is int64"),
        ({"test_images": np.full((90, 12), np.nan)}, "test_images has numbers that are not finite"),
        ({"test_images": np.zeros(90)}, "test_images is float64 of shape (90,), not (n, ...)"),
    ],
)
def test_own_data_that_are_none_are_refused(tmp_path, others, says):
    np.savez(tmp_path / "mine.npz", **arrays(**others))
    with pytest.raises(DuetError) as caught:
        data.from_npz(tmp_path / "mine.npz")
    assert says in str(caught.value)


def test_data_that_nobody_knows_are_refused_and_own_ones_do_not_pass_for_public_ones(own):
    """Else a slip of the finger would train MNIST by another name, or one's own data by that of MNIST."""
    assert workload_of(None, {"dataset": None}, 0) == (Workload(), None)
    with pytest.raises(DuetError, match="dataset = minst: give one of mnist, synthetic, or an .npz file"):
        workload_of(None, {"dataset": "minst"}, 0)
    with pytest.raises(DuetError, match="there is no such file"):
        workload_of(None, {"dataset": "missing.npz"}, 0)
    taken = own.with_name("mnist.npz")
    own.with_name("mine.npz").rename(taken)
    with pytest.raises(DuetError, match="mnist is a public data set's"):
        workload_of(None, {"dataset": str(taken)}, 0)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all"])
def test_a_damaged_file_of_data_is_refused(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DuetError, match="not an .npz file of the arrays train_images"):
        data.from_npz(tmp_path / "mine.npz")


def test_a_network_without_a_place_for_the_data_is_refused(own):
    for sizes in ((784, 3), (12, 2)):
        with pytest.raises(DuetError, match="has to begin with 12 and end with 3"):
            data.load(str(own.parent / "mine.npz"), Workload(dataset="mine", layer_sizes=sizes))


@pytest.mark.parametrize("memory", [{"momentum": 0.9}, {"optimizer": "adam"}])
def test_what_an_optimizer_remembers_is_kept_from_one_call_to_the_next(memory):
    workload = Workload(dataset="synthetic", layer_sizes=(784, 10), **memory)
    batches, dataset = workload.batches(workload.order(1, 600)), synthetic()
    once, twice = (oracle.Training(workload, oracle.as_float64(workload.initial_parameters())) for _ in range(2))
    assert once.train(batches, dataset) == twice.train(batches[:2], dataset) + twice.train(batches[2:], dataset)


SMALL = Workload(dataset="synthetic", layer_sizes=(784, 16, 10), epochs=2, activation="relu", momentum=0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"activation": "tanh"},
        {"momentum": 0.0},
        {"momentum": 0.0, "optimizer": "adam"},
        {"loss": "squared-error"},
        {},
    ],
)
def test_who_trains_another_workload_is_caught(wrong):
    dataset, trained = synthetic(), replace(SMALL, **wrong)
    training = oracle.Training(trained, SMALL.initial_parameters())
    batches = parity.parity_batches(SMALL, len(dataset.train_labels))
    losses = [training.train([batch], dataset)[0] for batch in batches]
    steps = {"losses": losses, "parameters": training.parameters, "contract": {"data": "host-fed"}}
    if not wrong:
        return parity.check_steps("honest", steps, SMALL, dataset)
    with pytest.raises(parity.ParityError, match="parity fails at step [123] "):
        parity.check_steps("other", steps, SMALL, dataset)


def test_who_trains_nothing_else_is_skipped_and_one_s_own_trainer_trains_from_the_file(own, suite):
    trainer = own.parent / "mine.py"
    trainer.write_text(
        "from tests.liars.trainers import Honest\n"
        "TRAINERS = {'mine': 'Mine'}\n"
        "class Mine(Honest):\n"
        "    training = None\n"
        "    def train_epoch(self, order):\n"
        "        from benchmarks.workload import oracle\n"
        "        self.training = self.training or oracle.Training(self.workload, self.params)\n"
        "        batches = self.workload.batches(order)\n"
        "        losses = self.training.train(batches, self.dataset)\n"
        "        return sum(loss * len(batch) for loss, batch in zip(losses, batches)) / len(order)\n"
    )
    options = f"--workload={own}", f"--framework-path={trainer}", "--frameworks=mine,numpy", "--trials=1"
    run = suite(*options, frameworks=None, small=False)
    assert run.exit_code == 0, run.output
    assert "mine, 12-16-3, batch 128" in run.output
    assert run.outcomes["mine"] == ("passed", "")
    kind, reason = run.outcomes["numpy"]
    assert kind == "skipped"
    assert "it trains the multilayer perceptron with tanh, plain SGD and cross-entropy alone" in reason


WITH_GENERAL = [name for name, entry in REGISTRY.items() if entry.general]


@pytest.mark.slow
@pytest.mark.parametrize("network", networks.NETWORKS)
@pytest.mark.parametrize("name", WITH_GENERAL)
def test_each_framework_trains_each_network(name, network, suite):
    pytest.importorskip(REGISTRY[name].requires[0])
    asked = f"--workload={network}", f"--frameworks={name}", "--dataset=synthetic", "--epochs=2", "--trials=1"
    run = suite(*asked, frameworks=None, small=False, timeout=600)
    if "CUDA graphs need an NVIDIA GPU" in str(run.outcomes):
        pytest.skip("it trains on a GPU alone")
    assert list(run.outcomes.values()) == [("passed", "")], run.output
    assert run.rows[name]["parity"]["loss"] < 1e-6 and run.rows[name]["parity"]["update"] < 5e-4
