"""PyTorch, eager: an nn.Module, a DataLoader and torch.optim.SGD."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, TensorDataset

from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer

torch.set_float32_matmul_precision("highest")  # the default, said aloud: fp32 means fp32, no TF32


class MLP(nn.Sequential):
    def __init__(self, layer_sizes):
        layers = []
        for n_in, n_out in zip(layer_sizes[:-1], layer_sizes[1:]):
            layers += [nn.Linear(n_in, n_out), nn.Tanh()]
        super().__init__(*layers[:-1])

    @property
    def linears(self):
        return [layer for layer in self if isinstance(layer, nn.Linear)]


class TorchTrainer(Trainer):
    contract = Contract("eager")

    def __init__(self, workload, dataset, parameters, device):
        gpu = torch.cuda.is_available() if device == "auto" else device == "gpu"
        if gpu and not torch.cuda.is_available():
            raise NoGpu
        self.device = torch.device("cuda" if gpu else "cpu")
        self.device_name = f"gpu:{torch.cuda.get_device_name()}" if gpu else "cpu"
        self.batch_size = workload.batch_size
        self.train_data = TensorDataset(
            torch.from_numpy(dataset.train_images), torch.from_numpy(dataset.train_labels).long()
        )
        self.test_data = TensorDataset(torch.from_numpy(dataset.test_images), torch.from_numpy(dataset.test_labels))
        self.model = MLP(workload.layer_sizes).to(self.device)
        with torch.no_grad():
            for layer, (weight, bias) in zip(self.model.linears, parameters):
                layer.weight.copy_(torch.from_numpy(weight.T))
                layer.bias.copy_(torch.from_numpy(bias))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=workload.learning_rate)

    def train_epoch(self, order):
        # A BatchSampler with batch_size=None takes each batch in one indexing instead of image by image.
        batches = BatchSampler(order, self.batch_size, drop_last=False)
        total_loss = torch.zeros((), device=self.device)
        for images, labels in DataLoader(self.train_data, sampler=batches, batch_size=None):
            images, labels = images.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(images), labels)
            loss.backward()
            self.optimizer.step()
            total_loss += loss.detach() * len(labels)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return total_loss.item() / len(order)

    @torch.no_grad()
    def evaluate(self):
        correct = 0
        for images, labels in DataLoader(self.test_data, self.batch_size):
            predicted = self.model(images.to(self.device)).argmax(dim=1)
            correct += (predicted == labels.to(self.device)).sum().item()
        return correct / len(self.test_data)

    def parameters(self):
        return [
            (layer.weight.detach().T.cpu().numpy().copy(), layer.bias.detach().cpu().numpy().copy())
            for layer in self.model.linears
        ]

    @staticmethod
    def matrix_product():
        return torch.from_numpy, torch.matmul

    def memory(self):
        if self.device.type != "cuda":
            return {}
        return {
            "allocator_peak_bytes": torch.cuda.max_memory_allocated(),
            "allocator_reserved_bytes": torch.cuda.max_memory_reserved(),
        }
