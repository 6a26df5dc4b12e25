"""What can be read of the machine and of a process on it: CPU time, memory, the GPU, energy, others at work."""
