"""What JAX's and PyTorch's trainers do on a GPU alone, seen on a CPU that passes for one."""

import json
import subprocess
import sys

import pytest
from support import ROOT

SHAPES = "import numpy as np\nlayers = [(np.zeros((784, 32), np.float32), np.zeros(32, np.float32)), "
SHAPES += "(np.zeros((32, 10), np.float32), np.zeros(10, np.float32))]\n"

JAX = """
import json, os, re
os.environ["XLA_FLAGS"] = "--xla_cpu_enable_fast_math=false"  # a user's own
import jax
from types import SimpleNamespace
from benchmarks.frameworks import jax as stepwise, jax_scan

images, labels, total = np.zeros((64, 784), np.float32), np.zeros(64, np.int32), np.zeros((), np.float32)
step = stepwise.jitted_step.lower(layers, total, images[:4], labels[:4], 0.1).as_text()
signature = re.search(r"func public @main\\((.*?)\\) ->", step, re.S)[1]

order = np.arange(64, dtype=np.int32)
programs = [jax_scan.scan_epoch.lower(layers, images, labels, order, 0.1, 4, each) for each in (1, jax_scan.UNROLLED)]
steps = [each.as_text().count("call @") for each in programs]

asked = []
def scan_epoch(params, images, labels, order, rate, size, unroll):
    asked.append(unroll)
    return params, 0.0

jax_scan.scan_epoch = scan_epoch
for platform in ("cpu", "gpu"):
    trainer = object.__new__(jax_scan.JaxScanTrainer)
    trainer.device = SimpleNamespace(platform=platform)
    trainer.workload = SimpleNamespace(learning_rate=0.1, batch_size=4)
    trainer.params, trainer.images, trainer.labels = layers, images, labels
    trainer.train_epoch(np.arange(64))
print(json.dumps({
    "inputs": signature.count("%arg"), "flags": os.environ["XLA_FLAGS"], "unroll": asked,
    "steps": steps,
}))
"""

TORCH = """
import json
from types import SimpleNamespace
import torch
from benchmarks.frameworks import torch as own

workload = SimpleNamespace(layer_sizes=(784, 32, 10), batch_size=4, learning_rate=0.1)
random = np.random.RandomState(0)
images, labels = random.rand(10, 784).astype(np.float32), np.zeros(10, np.int32)
dataset = SimpleNamespace(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
trainer = own.TorchTrainer(workload, dataset, layers, "cpu")
told = {"indices": [], "non_blocking": set()}

class Loader(own.DataLoader):
    def __init__(self, data, *, sampler, pin_memory, **how):
        told["pinned"] = pin_memory  # which a machine without a GPU cannot do
        told["indices"] += [type(each).__name__ for each in sampler]
        super().__init__(data, sampler=sampler, **how)

def placed(batch, device, non_blocking=False):
    told["non_blocking"].add(non_blocking)
    return batch

own.DataLoader, trainer.on_gpu, torch.Tensor.to = Loader, True, placed
trainer.train_epoch(np.arange(10))
print(json.dumps(dict(told, non_blocking=list(told["non_blocking"]))))
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", SHAPES + code], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_jax_s_step_takes_no_learning_rate_and_its_scan_is_unrolled():
    pytest.importorskip("jax")
    found = run(JAX)
    assert found["inputs"] == 4 + 3, "the arrays of two layers, the total, images and labels; and no scalar beside them"
    assert found["unroll"] == [1, 8]
    assert found["steps"][1] == found["steps"][0] + 7, "the loop's body has eight steps in place of one"
    assert set(found["flags"].split()) == {
        "--xla_cpu_enable_fast_math=false",
        "--xla_enable_command_buffers_during_profiling=true",  # an unknown one would have ended the process
    }


def test_pytorch_s_batches_come_from_pinned_memory_and_nobody_waits_for_them():
    pytest.importorskip("torch")
    assert run(TORCH) == {"pinned": True, "indices": ["Tensor"] * 3, "non_blocking": [True]}


COMPILED = """
import json
from types import SimpleNamespace
import torch
from functorch.compile import make_boxed_func
from torch._dynamo.backends.common import aot_autograd
from torch._guards import TracingContext
from benchmarks.frameworks import torch_compile, torch_compile_general
from benchmarks.workload.spec import Workload

images, labels = np.random.rand(12, 784).astype(np.float32), np.zeros(12, np.int32)
dataset = SimpleNamespace(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
told = []

def compiler(graph, inputs):
    meta = TracingContext.get().fw_metadata
    told[-1].append([len(meta.mutated_inp_runtime_indices), sorted(meta.static_input_indices)])
    assert set(meta.mutated_inp_runtime_indices) <= set(meta.static_input_indices)
    return make_boxed_func(graph.forward)

kinds = (torch_compile.TorchCompileTrainer, 0.0), (torch_compile_general.TorchCompileGeneralTrainer, 0.9)
for kind, momentum in kinds:
    told.append([])
    trainer = kind(Workload(layer_sizes=(784, 32, 10), batch_size=8, momentum=momentum), dataset, layers, "cpu")
    backend = aot_autograd(fw_compiler=compiler)
    trainer.step = torch.compile(trainer.sgd_step, backend=backend, fullgraph=True, dynamic=False)
    for _ in range(2):
        trainer.train_epoch(np.arange(12))
print(json.dumps([[mutated for mutated, _ in programs] for programs in told]))
"""


def test_a_compiled_step_is_one_graph_that_a_cuda_graph_may_hold():
    """What it changes in place stays at its address: else PyTorch would skip CUDA graphs, and only warn.

    torch/_inductor/cudagraph_utils.py, ``check_for_mutation``, of PyTorch 2.13.
    """
    pytest.importorskip("torch")
    parameters = 4
    assert run(COMPILED) == [[parameters] * 2, [2 * parameters] * 2], (
        "two sizes of batch; momentum's velocities as well"
    )


CAPTURED = """
import json
from contextlib import nullcontext
from types import SimpleNamespace
import torch
from benchmarks.frameworks import torch as plain, torch_cudagraph_general
from benchmarks.workload.spec import Workload

class Graph:  # what a capture is, with a CPU's means: nothing of it is done; a replay does it all
    def replay(self):
        _, order, total = next(its for its in trainer.graphs.values() if its[0] is self)
        total.zero_()
        for batch in order.split(trainer.batch_size):
            total += trainer.step(trainer.images[batch], trainer.labels[batch])

class capturing:
    def __init__(self, graph):
        told["captures"] += 1
    def __enter__(self):
        self.kept = [each.detach().clone() for each in trainer.changed()]
    def __exit__(self, *error):
        with torch.no_grad():
            for each, kept in zip(trainer.changed(), self.kept):
                each.copy_(kept)

stream = SimpleNamespace(wait_stream=lambda other: None)
for name, fake in (("is_available", lambda: True), ("Stream", lambda: stream), ("current_stream", lambda: stream),
                   ("stream", nullcontext), ("CUDAGraph", Graph), ("graph", capturing)):
    setattr(torch.cuda, name, fake)
plain.use_device = lambda device: (torch.device("cpu"), "a GPU")
torch.compile = lambda step, **how: step

random = np.random.RandomState(0)
images, labels = random.rand(12, 784).astype(np.float32), random.randint(0, 10, 12).astype(np.int32)
layers = [(random.rand(*weight.shape).astype(np.float32) - 0.5, bias) for weight, bias in layers]
dataset = SimpleNamespace(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
workload = Workload(layer_sizes=(784, 32, 10), batch_size=8, momentum=0.9)
orders = np.arange(12), np.arange(12)[::-1].copy(), np.arange(8), np.arange(12)
told = {"captures": 0}
from benchmarks.frameworks.torch_general import TorchGeneralTrainer
for name, kind in (("plain", TorchGeneralTrainer), ("own", torch_cudagraph_general.TorchCudaGraphGeneralTrainer)):
    trainer = kind(workload, dataset, layers, "gpu")
    trainer.on_gpu = False  # no memory is pinned here
    told[name] = [trainer.train_epoch(order) for order in orders]
print(json.dumps(told))
"""


def test_what_is_captured_trains_as_plain_steps_do_and_nothing_before_it():
    """The steps in which PyTorch compiles and sets itself up leave neither parameters nor velocities changed."""
    pytest.importorskip("torch")
    found = run(CAPTURED)
    assert found["own"] == pytest.approx(found["plain"], rel=1e-5)
    assert found["captures"] == 2, "one for each length"


LIGHTNING = """
import json
from types import SimpleNamespace
import lightning
from benchmarks.frameworks import lightning as own, torch as plain

workload = SimpleNamespace(layer_sizes=(784, 32, 10), batch_size=4, learning_rate=0.1)
random = np.random.RandomState(0)
images, labels = random.rand(12, 784).astype(np.float32), random.randint(0, 10, 12)
layers = [(random.rand(*weight.shape).astype(np.float32) - 0.5, bias) for weight, bias in layers]
dataset = SimpleNamespace(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
fits, fit = [], lightning.Trainer.fit
lightning.Trainer.fit = lambda *arguments, **how: fits.append(1) or fit(*arguments, **how)
orders = np.arange(12), np.arange(12)[::-1].copy(), np.arange(6), np.arange(12)  # one of them is shorter
told = {}
for name, kind in (("plain", plain.TorchTrainer), ("own", own.LightningTrainer)):
    trainer = kind(workload, dataset, layers, "cpu")
    told[name] = [trainer.train_epoch(order) for order in orders] + [trainer.evaluate()]
print(json.dumps(dict(told, fits=len(fits))))
"""


def test_lightning_trains_all_epochs_in_one_fit_whatever_their_length():
    """Else each epoch would have a set-up and a teardown, which takes the model off a GPU, within the clock."""
    for name in ("lightning", "greenlet"):
        pytest.importorskip(name)
    found = run(LIGHTNING)
    assert found["fits"] == 1 and found["own"] == pytest.approx(found["plain"], rel=1e-6)
