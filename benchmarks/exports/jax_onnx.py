"""ONNX's file, as jax2onnx writes it of JAX's function, answered by ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import jax2onnx

from benchmarks.exports.onnx_serving import serve
from benchmarks.frameworks.jax import predict


def exported(parameters, folder, images):
    path = Path(folder) / "model.onnx"
    shape = ("images", parameters[0][0].shape[0])  # for any number of them
    jax2onnx.to_onnx(partial(predict, parameters), [shape], return_mode="file", output_path=str(path))
    return serve(path), path
