"""The side that pytest sees: options, the gate, progress, and what several workers of a session need."""
