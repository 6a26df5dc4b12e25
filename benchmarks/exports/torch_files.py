"""PyTorch's files: TorchScript's, AOTInductor's, which is compiled ahead of time, and torch.export's in bf16."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.frameworks.torch import network

MOST_IMAGES = 8192  # of a request


def script(parameters, folder, images):
    """Legacy: PyTorch deprecates TorchScript, and names torch.export in its place."""
    path = Path(folder) / "model.pt"
    torch.jit.freeze(torch.jit.script(network(parameters).eval())).save(str(path))
    return serve(torch.jit.load(str(path))), path


def aot_inductor(parameters, folder, images):
    program = program_of(network(parameters))
    path = Path(folder) / "model.pt2"
    torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    return serve(torch._inductor.aoti_load_package(str(path))), path


def bf16(parameters, folder, images):
    path = Path(folder) / "model.pt2"
    torch.export.save(program_of(network(parameters).bfloat16()), path)
    model = torch.export.load(path).module()
    return serve(lambda images: model(images.bfloat16()).float()), path


def program_of(model):
    """Return torch.export's program of a network, for any number of images."""
    example = torch.zeros(2, model[0].in_features, dtype=model[0].weight.dtype)
    sizes = ({0: torch.export.Dim("images", min=1, max=MOST_IMAGES)},)
    return torch.export.export(model.eval(), (example,), dynamic_shapes=sizes)


def serve(model):
    @torch.inference_mode()
    def predict(images):
        return model(torch.from_numpy(images)).numpy()

    return predict
