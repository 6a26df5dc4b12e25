"""OpenVINO's file, made of torch.export's program. Where a CPU has bf16, its own choice is to round to it."""

from __future__ import annotations

from pathlib import Path

import openvino

from benchmarks.exports.torch_files import program_of
from benchmarks.frameworks.torch import network
from benchmarks.frameworks.trainer import threads_asked


def fp32(parameters, folder, images, precision="f32"):
    path = Path(folder) / "openvino" / "model.xml"
    openvino.save_model(openvino.convert_model(program_of(network(parameters))), path, compress_to_fp16=False)
    asked = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads_asked(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    model = openvino.Core().compile_model(path, "CPU", asked)
    return lambda images: model(images)[0], path.parent


def bf16(parameters, folder, images):
    return fp32(parameters, folder, images, "bf16")
