"""Lightning: a LightningModule and its Trainer, on the network and the data of torch.py.

Two things are not as Lightning's users would have them, and both are part of its figures. The suite asks for one epoch
at a time, so each is a ``fit`` of its own, whose set-up and teardown are timed; and ``barebones=True`` turns off what
they would keep on (logger, progress bar, checkpoints, model summary), as Lightning advises for measuring raw speed.
"""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader

from benchmarks.frameworks.torch import TorchTrainer

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # "GPU available: ...", once an epoch
warnings.filterwarnings("ignore", ".*does not have many workers.*")  # the data is in memory: workers would cost time


class Module(lightning.LightningModule):
    def __init__(self, model, learning_rate):
        super().__init__()
        self.model, self.learning_rate = model, learning_rate

    def on_train_epoch_start(self):
        self.total_loss = torch.zeros((), device=self.device)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = nn.functional.cross_entropy(self.model(images), labels)
        self.total_loss += loss.detach() * len(labels)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.learning_rate)


class LightningTrainer(TorchTrainer):
    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.module = Module(self.model, workload.learning_rate)
        self.trainer = lightning.Trainer(
            accelerator="gpu" if self.device.type == "cuda" else "cpu", devices=1, max_epochs=0, barebones=True
        )

    def train_epoch(self, order):
        batches = BatchSampler(order, self.batch_size, drop_last=False)
        self.trainer.fit_loop.max_epochs += 1
        self.trainer.fit(self.module, DataLoader(self.train_data, sampler=batches, batch_size=None))
        self.synchronize()
        return self.module.total_loss.item() / len(order)

    def evaluate(self):
        self.model.to(self.device)  # the Trainer takes it back to the host when it has finished
        return super().evaluate()
