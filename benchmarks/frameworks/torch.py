"""PyTorch: an nn.Module, a DataLoader and torch.optim.SGD; compiled, scripted; and a whole epoch in one call."""

from __future__ import annotations

from typing import List, Optional

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, TensorDataset

from benchmarks.frameworks.engines.torch_engine import Copies, Products, about_torch, gpu_activity
from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer, WrongHardware

torch.set_float32_matmul_precision("highest")  # the default, said aloud: fp32 means fp32, no TF32


class MLP(nn.Sequential):
    def __init__(self, layer_sizes):
        layers = []
        for n_in, n_out in zip(layer_sizes[:-1], layer_sizes[1:]):
            layers += [nn.Linear(n_in, n_out), nn.Tanh()]
        super().__init__(*layers[:-1])


def linear_layers(model):
    return [layer for layer in model.children() if isinstance(layer, nn.Linear)]


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


class TorchTrainer(Trainer):
    contract = Contract("eager")

    def __init__(self, workload, dataset, parameters, device):
        self.device, self.device_name = use_device(device)
        self.batch_size = workload.batch_size
        self.train_data = TensorDataset(
            torch.from_numpy(dataset.train_images), torch.from_numpy(dataset.train_labels).long()
        )
        self.test_data = TensorDataset(torch.from_numpy(dataset.test_images), torch.from_numpy(dataset.test_labels))
        self.model = MLP(workload.layer_sizes).to(self.device)
        with torch.no_grad():
            for layer, (weight, bias) in zip(linear_layers(self.model), parameters):
                layer.weight.copy_(torch.from_numpy(weight.T))
                layer.bias.copy_(torch.from_numpy(bias))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=workload.learning_rate)

    def train_epoch(self, order):
        # A BatchSampler with batch_size=None takes each batch in one indexing instead of image by image.
        batches = BatchSampler(order, self.batch_size, drop_last=False)
        total_loss = torch.zeros((), device=self.device)
        for images, labels in DataLoader(self.train_data, sampler=batches, batch_size=None):
            total_loss += self.step(images.to(self.device), labels.to(self.device))
        self.synchronize()
        return total_loss.item() / len(order)

    def step(self, images, labels):
        """Take one SGD step and return the sum of the images' losses before it."""
        self.optimizer.zero_grad()
        loss = self.mean_loss(images, labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach() * len(labels)

    def mean_loss(self, images, labels):
        return nn.functional.cross_entropy(self.model(images), labels)

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    @staticmethod
    def about():
        return about_torch()

    @torch.no_grad()
    def evaluate(self):
        correct = 0
        for images, labels in DataLoader(self.test_data, self.batch_size):
            predicted = self.model(images.to(self.device)).argmax(dim=1)
            correct += (predicted == labels.to(self.device)).sum().item()
        return correct / len(self.test_data)

    def parameters(self):
        return [
            (layer.weight.detach().T.cpu().numpy().copy(), layer.bias.detach().cpu().numpy().copy())
            for layer in linear_layers(self.model)
        ]

    def threads(self):
        return torch.get_num_threads()

    def device_activity(self, work):
        return gpu_activity(work)

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        products = Products(use_device(device)[0], precision)
        return (products.place, products.multiply) if products.possible() else None

    @staticmethod
    def device_copy(device="cpu"):
        copies = Copies(use_device(device)[0])
        return copies.place, copies.copy

    def memory(self):
        return allocator_memory(self.device)


class TorchCompileTrainer(TorchTrainer):
    """The loss, its gradient and the update, compiled; a second time for the smaller last batch."""

    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.mean_loss = torch.compile(self.mean_loss, dynamic=False)
        self.optimizer.step = torch.compile(self.optimizer.step)


class TorchScriptTrainer(TorchTrainer):
    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.scripted = torch.jit.script(self.model)  # shares its parameters

    def mean_loss(self, images, labels):
        return nn.functional.cross_entropy(self.scripted(images), labels)


class OnDevice(TorchTrainer):
    """What the trainers share that keep all images on the device and train an epoch in one call."""

    contract = Contract("fused-epoch", data="device-resident")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.images, self.labels = (tensor.to(self.device, copy=True) for tensor in self.train_data.tensors)


class TorchEpochTrainer(OnDevice):
    """The fastest that PyTorch trains on a CPU: the gradient by hand, oneDNN's products, the epoch one script."""

    def __init__(self, workload, dataset, parameters, device):
        if use_device(device)[0].type != "cpu":
            raise WrongHardware("its products are oneDNN's, for CPUs; on a GPU, torch-cudagraph is the fastest")
        super().__init__(workload, dataset, parameters, device)
        self.scripted_epoch = torch.jit.script(sgd_epoch)
        self.learning_rate = workload.learning_rate
        self.weights = [layer.weight.detach() for layer in linear_layers(self.model)]
        self.biases = [layer.bias.detach() for layer in linear_layers(self.model)]

    def train_epoch(self, order):
        order = torch.from_numpy(order).to(self.device)
        total_loss = self.scripted_epoch(
            self.weights, self.biases, self.images, self.labels, order, self.batch_size, self.learning_rate
        )
        self.synchronize()
        return total_loss.item() / len(order)


def linear(inputs: Tensor, weight: Tensor, bias: Optional[Tensor], activation: str):
    """Return ``activation(inputs @ weight.T + bias)`` by oneDNN, whose products beat MKL's on AMD's processors."""
    return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, activation, [], "")


def sgd_epoch(
    weights: List[Tensor],
    biases: List[Tensor],
    images: Tensor,
    labels: Tensor,
    order: Tensor,
    batch_size: int,
    learning_rate: float,
):
    total_loss = torch.zeros((), device=images.device)
    last = len(weights) - 1
    for batch in order.split(batch_size):
        inputs = [images[batch]]
        for i in range(last):
            inputs.append(linear(inputs[i], weights[i], biases[i], "tanh"))
        log_probabilities = torch.log_softmax(linear(inputs[last], weights[last], biases[last], "none"), 1)
        target = labels[batch].unsqueeze(1)
        total_loss -= log_probabilities.gather(1, target).sum()

        delta = log_probabilities.exp()
        delta.scatter_add_(1, target, torch.full_like(target, -1, dtype=torch.float32))
        delta /= len(batch)
        for j in range(last + 1):
            i = last - j
            weight_gradient = linear(delta.t(), inputs[i].t(), None, "none")
            bias_gradient = delta.sum(0)
            if i:
                delta = torch.ops.aten.tanh_backward(linear(delta, weights[i].t(), None, "none"), inputs[i])
            weights[i].sub_(weight_gradient, alpha=learning_rate)
            biases[i].sub_(bias_gradient, alpha=learning_rate)
    return total_loss


class TorchCudaGraphTrainer(OnDevice):
    """A whole epoch captured once as a CUDA graph, replayed with one launch; only the order crosses to the device."""

    def __init__(self, workload, dataset, parameters, device):
        if device == "cpu" or not torch.cuda.is_available():
            raise WrongHardware("CUDA graphs need an NVIDIA GPU")
        super().__init__(workload, dataset, parameters, device)
        self.graphs = {}  # by the number of images: (graph, its order, its loss)

    def train_epoch(self, order):
        graph, static_order, total_loss = self.graphs.get(len(order)) or self.capture(len(order))
        static_order.copy_(torch.from_numpy(order))
        graph.replay()
        self.synchronize()
        return total_loss.item() / len(order)

    def capture(self, images):
        order = torch.zeros(images, dtype=torch.int64, device=self.device)
        start = [parameter.detach().clone() for parameter in self.model.parameters()]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries set themselves up in steps that must not be captured
            for batch in {len(batch): batch for batch in order.split(self.batch_size)}.values():
                self.step(self.images[batch], self.labels[batch])
            with torch.no_grad():
                for parameter, value in zip(self.model.parameters(), start):
                    parameter.copy_(value)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()  # gradients are then the graph's own memory
        with torch.cuda.graph(graph):
            total_loss = torch.zeros((), device=self.device)
            for batch in order.split(self.batch_size):
                total_loss += self.step(self.images[batch], self.labels[batch])
        self.graphs[images] = graph, order, total_loss
        return self.graphs[images]
