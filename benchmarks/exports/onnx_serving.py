"""ONNX's files, whoever wrote them, answered by ONNX Runtime."""

from __future__ import annotations

import onnxruntime

from benchmarks.frameworks.trainer import threads_asked


def serve(path):
    """Return what takes images and gives logits, by the network in a file, which has one input and one output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads_asked()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    return lambda images: session.run(None, {taken.name: images})[0]
