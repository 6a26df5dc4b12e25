"""Lightning: a LightningModule and its Trainer, on the network and the data of torch.py.

Two things are not as Lightning's users would have them. The suite asks for one epoch at a time, so one ``fit`` lasts
from the first to the last and pauses between two: it runs in a greenlet, a stack of its own in this thread. And
``barebones=True`` turns off what they would keep on (logger, progress bar, checkpoints, model summary), as Lightning
advises for measuring raw speed.
"""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from greenlet import greenlet
from torch import nn
from torch.utils.data import BatchSampler, DataLoader

from benchmarks.frameworks.torch import TorchTrainer

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # "GPU available: ...", once an epoch
warnings.filterwarnings("ignore", ".*does not have many workers.*")  # the data is in memory: workers would cost time


class Module(lightning.LightningModule):
    def __init__(self, model, learning_rate, next_epoch):
        super().__init__()
        self.model, self.learning_rate, self.next_epoch = model, learning_rate, next_epoch

    def train_dataloader(self):
        return self.next_epoch()

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
        self.module = Module(self.model, workload.learning_rate, self.next_epoch)
        self.trainer = lightning.Trainer(
            accelerator="gpu" if self.device.type == "cuda" else "cpu",
            devices=1,
            max_epochs=-1,
            reload_dataloaders_every_n_epochs=1,
            barebones=True,
        )
        self.fit = greenlet(lambda: self.trainer.fit(self.module))
        self.fit.switch()  # until it wants the first epoch

    def train_epoch(self, order):
        self.order = order
        self.fit.switch()
        self.synchronize()
        return self.module.total_loss.item() / len(order)

    def next_epoch(self):
        """Return the data of the next epoch, once it is asked for: the last one has ended."""
        self.fit.parent.switch()
        batches = BatchSampler(self.order, self.batch_size, drop_last=False)
        return DataLoader(self.train_data, sampler=batches, batch_size=None)
