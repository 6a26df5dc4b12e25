"""The proof that a trainer did the work: parity with the oracle, its contract."""
