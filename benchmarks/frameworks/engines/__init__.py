"""What is no trainer: products and copies at full speed, profilers, what a framework says of its build."""
