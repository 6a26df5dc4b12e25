"""PyTorch: an nn.Module, a DataLoader and torch.optim.SGD."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.frameworks.engines.torch_engine import TorchEngine, use_device
from benchmarks.frameworks.trainer import Contract, Trainer


class MLP(nn.Sequential):
    def __init__(self, layer_sizes):
        layers = []
        for n_in, n_out in zip(layer_sizes[:-1], layer_sizes[1:]):
            layers += [nn.Linear(n_in, n_out), nn.Tanh()]
        super().__init__(*layers[:-1])


def linear_layers(model):
    return [layer for layer in model.children() if isinstance(layer, nn.Linear)]


def network(parameters, device="cpu"):
    """Return an :class:`MLP` with these parameters, ``[(weight, bias), ...]``, on a device."""
    model = MLP([parameters[0][0].shape[0], *(bias.size for _, bias in parameters)]).to(device)
    with torch.no_grad():
        for layer, (weight, bias) in zip(linear_layers(model), parameters):
            layer.weight.copy_(torch.from_numpy(weight.T))
            layer.bias.copy_(torch.from_numpy(bias))
    return model


class TorchTrainer(TorchEngine, Trainer):
    contract = Contract("eager")

    def __init__(self, workload, dataset, parameters, device):
        self.device, self.device_name = use_device(device)
        self.batch_size, self.on_gpu = workload.batch_size, self.device.type == "cuda"
        self.train_data = TensorDataset(
            torch.from_numpy(dataset.train_images), torch.from_numpy(dataset.train_labels).long()
        )
        self.test_data = TensorDataset(torch.from_numpy(dataset.test_images), torch.from_numpy(dataset.test_labels))
        self.build(workload, parameters)

    def build(self, workload, parameters):
        self.model = self.served = network(parameters, self.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=workload.learning_rate)

    def train_epoch(self, order):
        # With batch_size=None, what the sampler gives is a batch, taken in one indexing instead of image by image.
        batches = torch.from_numpy(order).split(self.batch_size)
        total_loss = torch.zeros((), device=self.device)
        for images, labels in DataLoader(self.train_data, sampler=batches, batch_size=None, pin_memory=self.on_gpu):
            total_loss += self.step(self.placed(images), self.placed(labels))
        self.synchronize()
        return total_loss.item() / len(order)

    def placed(self, batch):
        """Return a batch on the device; from pinned memory, the host does not wait for it."""
        return batch.to(self.device, non_blocking=self.on_gpu)

    def step(self, images, labels):
        """Take one SGD step and return the sum of the images' losses before it."""
        self.optimizer.zero_grad()
        loss = self.mean_loss(images, labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach() * len(labels)

    def mean_loss(self, images, labels):
        return self.loss_of(self.model(images), labels)

    def loss_of(self, logits, labels):
        return nn.functional.cross_entropy(logits, labels)

    @torch.no_grad()
    def evaluate(self):
        correct = 0
        for images, labels in DataLoader(self.test_data, self.batch_size):
            predicted = self.model(images.to(self.device)).argmax(dim=1)
            correct += (predicted == labels.to(self.device)).sum().item()
        return correct / len(self.test_data)

    @torch.inference_mode()
    def logits(self, images):
        return self.served(torch.from_numpy(images).to(self.device)).cpu().numpy()

    def parameters(self):
        return [
            (layer.weight.detach().T.cpu().numpy().copy(), layer.bias.detach().cpu().numpy().copy())
            for layer in linear_layers(self.model)
        ]
