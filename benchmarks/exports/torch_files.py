"""PyTorch's files: TorchScript's, and AOTInductor's, a library that is compiled ahead of time."""

from __future__ import annotations

import torch

from benchmarks.frameworks.torch import network

MOST_IMAGES = 8192  # of a request


def script(parameters, folder):
    """Legacy: PyTorch deprecates TorchScript, and names torch.export in its place."""
    path = f"{folder}/model.pt"
    torch.jit.freeze(torch.jit.script(network(parameters).eval())).save(path)
    return serve(torch.jit.load(path))


def aot_inductor(parameters, folder):
    example = torch.zeros(2, parameters[0][0].shape[0])
    sizes = ({0: torch.export.Dim("images", min=1, max=MOST_IMAGES)},)
    program = torch.export.export(network(parameters).eval(), (example,), dynamic_shapes=sizes)
    path = torch._inductor.aoti_compile_and_package(program, package_path=f"{folder}/model.pt2")
    return serve(torch._inductor.aoti_load_package(path))


def serve(model):
    @torch.inference_mode()
    def predict(images):
        return model(torch.from_numpy(images)).numpy()

    return predict
