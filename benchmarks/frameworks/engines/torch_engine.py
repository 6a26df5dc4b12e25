"""PyTorch and a device, without a trainer: its products and copies there, what ran there, and what it says of it."""

from __future__ import annotations

import sys

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.frameworks.engines import nvidia
from benchmarks.frameworks.trainer import NoGpu

TF32_BY_DEFAULT = torch.get_float32_matmul_precision() != "highest"
torch.set_float32_matmul_precision("highest")  # the default, said aloud: fp32 means fp32, no TF32


def use_device(device):
    """Return the device asked for, and the suite's name for it."""
    gpu = torch.cuda.is_available() if device == "auto" else device == "gpu"
    if gpu and not torch.cuda.is_available():
        raise NoGpu
    return (torch.device("cuda"), f"gpu:{torch.cuda.get_device_name()}") if gpu else (torch.device("cpu"), "cpu")


def allocator_memory(device):
    if device.type != "cuda":
        return {}
    return {
        "allocator_peak_bytes": torch.cuda.max_memory_allocated(),
        "allocator_reserved_bytes": torch.cuda.max_memory_reserved(),
    }


class Products:
    """Products of matrices in one precision; a GPU's are captured once as a CUDA graph, so that no launch delays them.

    :param precision: one of :data:`benchmarks.frameworks.trainer.PRECISIONS`.
    """

    captured = 100  # products in a graph

    def __init__(self, device, precision):
        self.device, self.precision = device, precision
        self.graphs = {}

    def possible(self):
        if self.device.type == "cpu":
            return self.precision != "tf32"
        return self.precision == "fp32" or torch.cuda.get_device_capability() >= (8, 0)  # since Ampere

    def place(self, array):
        return torch.from_numpy(array).to(self.device, torch.bfloat16 if self.precision == "bf16" else torch.float32)

    def multiply(self, left, right, count=1):
        if self.device.type == "cpu":
            for _ in range(count):
                product = torch.matmul(left, right)
            return product
        torch.set_float32_matmul_precision("high" if self.precision == "tf32" else "highest")
        try:
            return self.multiply_on_gpu(left, right, count)
        finally:
            torch.set_float32_matmul_precision("highest")

    def multiply_on_gpu(self, left, right, count):
        whole, rest = divmod(count, self.captured)
        for _ in range(rest):
            product = torch.matmul(left, right)
        if whole:
            graph, product = self.graph(left, right)
            for _ in range(whole):
                graph.replay()
        torch.cuda.synchronize()
        return product

    def graph(self, left, right):
        key = (id(left), id(right))
        if key not in self.graphs:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # cuBLAS sets itself up in a product that must not be captured
                product = torch.matmul(left, right)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for _ in range(self.captured):
                    torch.matmul(left, right, out=product)
            self.graphs[key] = graph, product, left, right  # the graph reads these matrices' memory
        return self.graphs[key][:2]


def gpu_activity(work):
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
    return device_events(seen.events(), DeviceType.CUDA)


def trace(work, folder):
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        work()
    seen.export_chrome_trace(f"{folder}/torch.pt.trace.json")  # by that ending, TensorBoard knows it, too


def device_events(events, device_type):
    """Return what :meth:`Trainer.device_activity` is to return, of a profile's events, whose times are microseconds."""
    return [
        (nvidia.kind_of(event.name), event.time_range.start * 1000, event.time_range.end * 1000)
        for event in events
        # A range that somebody named spans the idle time in it.
        if event.device_type == device_type and not getattr(event, "is_user_annotation", False)
    ]


class Copies:
    """Copies of one array into the same memory every time, so that no page of it is mapped meanwhile."""

    def __init__(self, device):
        self.device = device

    def place(self, array):
        placed = torch.from_numpy(array).to(self.device)
        self.target = torch.empty_like(placed)
        return placed

    def copy(self, array, count=1):
        for _ in range(count):
            self.target.copy_(array)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return self.target


def about_torch():
    gpus = range(torch.cuda.device_count())
    return {
        "cuda": torch.version.cuda,
        "cudnn": built_for_cudnn(),
        "devices": ["cpu"] + [f"gpu:{torch.cuda.get_device_name(gpu)}" for gpu in gpus],
        "no_gpu_because": None if gpus else why_no_gpu(),
        "tf32_by_default": TF32_BY_DEFAULT,
    }


def built_for_cudnn():
    """Return the cuDNN that PyTorch was compiled with; its public call tells the one that it loaded."""
    cudnn = getattr(torch._C, "_cudnn", None)
    return None if cudnn is None else ".".join(map(str, cudnn.getCompileVersion()))


def why_no_gpu():
    try:
        torch.cuda.init()
    except (AssertionError, RuntimeError) as error:  # the first where it is a build without CUDA
        return str(error)
    return None


def count_work(work):
    """Count the operators that PyTorch dispatched, on a GPU its kernels, and Dynamo's graphs and their breaks.

    ``torch._dynamo.utils.counters`` is where PyTorch's own documentation looks for the latter.
    """
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        work()
    events = seen.events()
    kernels = sum(event.device_type == DeviceType.CUDA for event in events)
    ran = {"operators": sum(event.name.startswith("aten::") for event in events)}
    ran.update({"kernels": kernels} if kernels else {})
    dynamo = sys.modules.get("torch._dynamo.utils")
    if dynamo is None or not dynamo.counters["stats"]:
        return ran, {}
    breaks = sum(dynamo.counters["graph_break"].values())
    return ran, {"graphs": dynamo.counters["stats"]["unique_graphs"], "graph breaks": breaks}


def compiling():
    """Return what Dynamo has traced, and what its backend has compiled; nothing where nobody has imported it."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    spent = dynamo.calculate_time_spent() if dynamo else {}
    if "entire_frame_compile" not in spent:
        return {}
    compiled = spent.get("backend_compile", 0.0)
    return {"trace": spent["entire_frame_compile"] - compiled, "compile": compiled}


class TorchEngine:
    """What a trainer that computes with PyTorch on ``self.device`` is asked beside training."""

    device_activity = staticmethod(gpu_activity)
    count_work = staticmethod(count_work)
    about = staticmethod(about_torch)
    compiling = staticmethod(compiling)
    threads = staticmethod(torch.get_num_threads)
    trace = staticmethod(trace)

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def memory(self):
        return allocator_memory(self.device)

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        products = Products(use_device(device)[0], precision)
        return (products.place, products.multiply) if products.possible() else None

    @staticmethod
    def device_copy(device="cpu"):
        copies = Copies(use_device(device)[0])
        return copies.place, copies.copy
