"""What was seen of a trainer against what its contract says; the liars' own runs are in test_liars.py."""

import numpy as np
import pytest

from benchmarks.proof.contract import ContractError, check_contract
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload
from pytest_duet.sensors.python_calls import count_python


class Mnist:
    train_images = np.broadcast_to(np.float32(0), (60_000, 784))


IMAGES = Mnist.train_images.nbytes
DEFAULT = {"layer_sizes": Workload().layer_sizes}


def check(execution, calls, lines=0, data="host-fed", device="cpu", peak=None, dataset=Mnist, **workload):
    built = {
        "contract": {"execution": execution, "data": data, "precision": "fp32"},
        "calls_per_step": calls,
        "lines_per_step": lines,
        "device": device,
        "allocator_peak_bytes": peak,
    }
    check_contract("x", built, Workload(**{"layer_sizes": (784, 32, 10), **workload}), dataset)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (dict(execution="fused-epoch", calls=0, lines=3), "Python executes 3 lines for each further step"),
        (dict(execution="fused-epoch", calls=1, lines=0), "Python executes 0 lines for each further step"),
        (dict(execution="eager", calls=0), "Python does nothing for a further step: say fused-epoch"),
        (dict(execution="compiled", calls=0), "Python does nothing for a further step: say fused-epoch"),
        (dict(execution="graph", calls=0), "Python does nothing for a further step: say fused-epoch"),
        (dict(execution="eager", calls=3, lines=9), "a step makes 3 calls from Python, and the network alone has 4"),
        (dict(execution="eager", calls=99, device="gpu:x", peak=IMAGES), "more than all the images"),
        (dict(DEFAULT, execution="eager", calls=99, device="gpu:x", peak=IMAGES), "more than all the images"),
        (
            dict(execution="eager", calls=99, device="gpu:x", data="device-resident", peak=IMAGES - 1),
            "less than the images",
        ),
    ],
)
def test_a_contract_that_does_not_hold_is_named(seen, reason):
    with pytest.raises(ContractError, match=reason):
        check(**seen)


@pytest.mark.parametrize(
    "seen",
    [
        dict(execution="fused-epoch", calls=0),
        dict(execution="compiled", calls=1),
        dict(execution="compiled", calls=0, lines=2),  # as MLX's, whose calls Python's profiler does not see
        dict(execution="eager", calls=4),
        dict(execution="eager", calls=99, device="gpu:x", peak=IMAGES - 1),
        dict(execution="eager", calls=99, device="gpu:x", peak=None),
        dict(execution="eager", calls=99, device="cpu", peak=IMAGES),
    ],
)
def test_a_contract_that_holds_passes(seen):
    check(**seen)


@pytest.mark.parametrize("large", [{"layer_sizes": (784, 7000, 7000, 10)}, {"batch_size": 20_000}])
def test_what_is_as_large_as_the_images_is_not_taken_for_them(large):
    check("eager", calls=99, device="gpu:x", peak=2 * IMAGES, **large)


def test_a_library_s_workspace_is_not_taken_for_a_small_data_set():
    check("eager", calls=99, device="gpu:x", peak=40 * 2**20, dataset=synthetic())


def test_what_happens_but_once_is_not_counted():
    filled = []

    def work():
        if not filled:
            for number in range(1000):
                filled.append(len(str(number)))

    assert count_python(work)["lines"] < 10


def test_counting_sees_the_same_in_every_repetition_and_more_for_more_work():
    def work(steps):
        for _ in range(steps):
            len(str(steps))

    few, again, many = (count_python(lambda n=n: work(n)) for n in (5, 5, 15))
    assert few == again
    assert many["calls"] - few["calls"] == 10  # of len; str is a type
    assert many["lines"] - few["lines"] == 20
