"""Plants a slowdown in a clone, for ``--against git:HEAD~1`` to find: ``python -m tests.plant torch 0.05`` and commit.

The trainer takes so many more steps, at a learning rate of 0, that its parameters stay what they are. What is no whole
step in one call is carried over to the next, so that the share holds for turns of any length.
"""

import sys

from pytest_duet.workers.process import ROOT

CARRY = """
        self.owed = getattr(self, "owed", 0.0) + {share} * len(self.{workload}batches(order))
        extra, self.owed = int(self.owed), self.owed % 1
"""
PLACES = {
    "jax": (
        "        jax.block_until_ready(self.layers())\n        return float(total_loss) / len(order)\n",
        CARRY.format(share="{share}", workload="workload.")
        + """        zero = jnp.zeros(())
        for batch in self.workload.batches(order)[:extra]:
            self.params, zero = jitted_step(self.params, zero, images[batch], labels[batch], 0.0)
""",
    ),
    "torch": (
        "        self.synchronize()\n        return total_loss.item() / len(order)\n\n    def placed(",
        """
        self.owed = getattr(self, "owed", 0.0) + {share} * len(batches)
        extra, self.owed = int(self.owed), self.owed % 1
        (group,) = self.optimizer.param_groups
        rate, group["lr"] = group["lr"], 0.0
        for images, labels in DataLoader(self.train_data, sampler=batches[:extra], batch_size=None):
            self.step(self.placed(images), self.placed(labels))
        group["lr"] = rate
""",
    ),
}


def main():
    name, share = sys.argv[1], float(sys.argv[2])
    path = ROOT / "benchmarks" / "frameworks" / f"{name}.py"
    before, planted = PLACES[name]
    text = path.read_text()
    assert text.count(before) == 1, f"{path} has changed: mend tests/plant.py"
    path.write_text(text.replace(before, planted.format(share=share).lstrip("\n") + before))


if __name__ == "__main__":
    main()
