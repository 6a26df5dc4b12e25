"""PyTorch, a whole epoch in one call on a GPU, for any workload: torch_compile_general.py's steps as a CUDA graph."""

from __future__ import annotations

from benchmarks.frameworks.torch_compile_general import TorchCompileGeneralTrainer
from benchmarks.frameworks.torch_cudagraph import TorchCudaGraphTrainer


class TorchCudaGraphGeneralTrainer(TorchCudaGraphTrainer, TorchCompileGeneralTrainer):
    """Which its two classes make it."""
