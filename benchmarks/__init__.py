"""Deep-learning frameworks, measured so that people believe the numbers."""
