"""ONNX's file, as PyTorch writes it, answered by ONNX Runtime: as it is, and with products in eight bits."""

from __future__ import annotations

from pathlib import Path

import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

from benchmarks.exports.onnx_serving import serve
from benchmarks.exports.torch_files import program_of
from benchmarks.frameworks.torch import network

STEP = 64  # images that are calibrated by at once


def plain(parameters, folder, images):
    path = exported(parameters, folder)
    return serve(path), path


def int8(parameters, folder, images):
    """Weights in eight bits; activations are rounded to as many when they are there ("dynamic")."""
    path = Path(folder) / "int8.onnx"
    quantize_dynamic(exported(parameters, folder), path, weight_type=QuantType.QInt8)
    return serve(path), path


def int8_static(parameters, folder, images):
    """All in eight bits, by ranges that were found beforehand."""
    path = Path(folder) / "int8.onnx"
    quantize_static(exported(parameters, folder), path, Some(images))
    return serve(path), path


class Some(CalibrationDataReader):
    def __init__(self, images):
        self.left = [images[start : start + STEP] for start in range(0, len(images), STEP)]

    def get_next(self):
        return {"images": self.left.pop()} if self.left else None


def exported(parameters, folder):
    path = Path(folder) / "model.onnx"
    program = program_of(network(parameters))
    names = {"input_names": ["images"], "output_names": ["logits"]}
    torch.onnx.export(program, (), str(path), **names, external_data=False, verbose=False)
    return path
