"""Does each framework work here? Each is examined in a process of its own."""
