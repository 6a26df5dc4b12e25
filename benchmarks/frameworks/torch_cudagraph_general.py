"""PyTorch, a whole epoch in one call on a GPU, for any workload: the steps of torch_general.py as a CUDA graph."""

from __future__ import annotations

from benchmarks.frameworks.torch_cudagraph import TorchCudaGraphTrainer
from benchmarks.frameworks.torch_general import TorchGeneralTrainer


class TorchCudaGraphGeneralTrainer(TorchCudaGraphTrainer, TorchGeneralTrainer):
    """Which its two classes make it."""
