"""PyTorch, a whole epoch in one call on a GPU: the compiled steps of torch_compile.py, captured as a CUDA graph."""

from __future__ import annotations

import torch

from benchmarks.frameworks.torch_compile import TorchCompileTrainer, needs_cuda
from benchmarks.frameworks.trainer import Contract


class TorchCudaGraphTrainer(TorchCompileTrainer):
    """A whole epoch captured once as a CUDA graph, replayed with one launch; only the order crosses to the device.

    Its steps are compiled first: a few kernels of Inductor's where an eager step has some 24.
    """

    contract = Contract("fused-epoch", data="device-resident")

    def __init__(self, workload, dataset, parameters, device):
        needs_cuda(device)
        super().__init__(workload, dataset, parameters, device)
        self.images, self.labels = (tensor.to(self.device, copy=True) for tensor in self.train_data.tensors)
        self.graphs = {}  # by the number of images: (graph, its order, its loss)

    def train_epoch(self, order):
        graph, static_order, total_loss = self.graphs.get(len(order)) or self.capture(len(order))
        static_order.copy_(torch.from_numpy(order))
        graph.replay()
        self.synchronize()
        return total_loss.item() / len(order)

    def capture(self, images):
        order = torch.zeros(images, dtype=torch.int64, device=self.device)
        start = [tensor.detach().clone() for tensor in self.changed()]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # what compiles, and what libraries set up, must not be captured
            for batch in {len(batch): batch for batch in order.split(self.batch_size)}.values():
                self.step(self.images[batch], self.labels[batch])
            with torch.no_grad():
                for tensor, value in zip(self.changed(), start):
                    tensor.copy_(value)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            total_loss = torch.zeros((), device=self.device)
            for batch in order.split(self.batch_size):
                total_loss += self.step(self.images[batch], self.labels[batch])
        self.graphs[images] = graph, order, total_loss
        return self.graphs[images]
