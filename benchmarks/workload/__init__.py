"""What is trained: the data set, the network, and the oracle that says how its training must go. No framework."""
