"""What is kept: rows, runs in files, shards and how they are merged, decisions, the history to judge by."""
