"""The tables and pictures of the suite: frameworks, GPU memory, where an epoch goes, the seed experiment."""
