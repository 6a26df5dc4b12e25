"""WHAT IT MEANS: parity with the oracle, statistics over trials. Knows no framework and starts no process."""
