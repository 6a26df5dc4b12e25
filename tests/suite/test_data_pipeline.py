"""Input pipelines: each brings what the order asks for, before it is timed, and how long a model waits is seen."""

import time

import numpy as np
import pytest
from support import Terminal

from benchmarks.frameworks import REGISTRY
from benchmarks.pipelines import PIPELINES, Feeding, Pipeline, PipelineError, gathered, numpy_arrays, pipelines_of
from benchmarks.report import pipeline_table
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload
from pytest_duet.record.metrics import Measured
from pytest_duet.record.row import Row

SMALL, DATASET = Workload(dataset="synthetic", layer_sizes=(784, 16, 10)), synthetic()


def numpy_step(trainer):
    return trainer.step


def feeding(make):
    return Feeding(Pipeline("mine", make, "numpy", numpy_step), SMALL, DATASET, "cpu")


def changed(change):
    """Return a pipeline whose batches go through a function."""
    return lambda dataset, size: (
        lambda order: change(list(gathered(dataset.train_images, dataset.train_labels, size, order)))
    )


LIARS = {
    "one batch again and again": lambda batches: batches[:1] * len(batches),
    "the last, smaller one is dropped": lambda batches: batches[:-1],
    "one more": lambda batches: [*batches, batches[0]],
    "another order": lambda batches: batches[::-1],
    "other labels": lambda batches: [(images, np.roll(labels, 1)) for images, labels in batches],
    "half as precise": lambda batches: [(images.astype(np.float16), labels) for images, labels in batches],
    "nothing": lambda batches: [],
}


def test_an_honest_pipeline_is_proven():
    feeding(numpy_arrays).check()


@pytest.mark.parametrize("liar", LIARS)
def test_a_pipeline_that_brings_something_else_is_not_timed(liar):
    with pytest.raises(PipelineError, match="mine: "):
        feeding(changed(LIARS[liar])).check()


def test_how_long_a_model_waits_is_seen():
    def slow(dataset, size):
        def batches(order):
            for batch in gathered(dataset.train_images, dataset.train_labels, size, order):
                time.sleep(0.01)
                yield batch

        return batches

    assert feeding(slow).train() > 0.7
    quick = feeding(numpy_arrays)
    assert 0 < quick.train() < 0.7


def test_pipelines_belong_to_entries():
    assert all(pipeline.trainer in REGISTRY for pipeline in PIPELINES.values())
    assert pipelines_of(["numpy"]) == [] and pipelines_of(["keras"]) == ["tf-data"]


@pytest.mark.slow
def test_a_session_of_pipelines(suite):
    run = suite("-m", "data_pipeline", "--trials=1", "-k", "numpy-arrays", frameworks="jax")
    if "jax not installed" in run.output:
        pytest.skip("JAX is not here")
    assert run.exit_code == 0, run.output
    (bench,) = run.json["benchmarks"]
    metrics = bench["extra_info"]["duet"]["metrics"]
    assert metrics["images_per_second"]["values"][0] > 0 and 0 < metrics["waiting_share"]["values"][0] < 1
    assert "input pipelines" in run.output


def test_the_table_has_the_fastest_first():
    terminal = Terminal()

    def made(subject, **values):
        return Row(subject, "cpu", {name: Measured(name, values=(value,)) for name, value in values.items()}, ())

    rows = [(made("slow", seconds=2.0, waiting_share=0.5), {"pipeline_feeds": "torch"})]
    rows += [(made("fast", seconds=1.0, images_per_second=60_000.0), {"pipeline_feeds": "jax"}), (made("other"), {})]
    pipeline_table.show(terminal, rows)
    lines = [line.split() for line in terminal.text.splitlines() if line.split()[:1] in (["fast"], ["slow"], ["other"])]
    assert lines == [["fast", "jax", "1.000", "s", "60,000", "-"], ["slow", "torch", "2.000", "s", "-", "50.0%"]]


@pytest.mark.slow
def test_all_pipelines_bring_what_they_are_asked_for(suite):
    run = suite("-m", "data_pipeline", "--trials=1", frameworks="jax,torch,tensorflow", timeout=400)
    assert run.exit_code == 0, run.output
    assert len(run.json["benchmarks"]) == len(PIPELINES)
