"""WHAT is trained: the data set, the network, its oracle. Imports no framework."""
