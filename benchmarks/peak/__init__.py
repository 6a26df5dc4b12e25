"""What this machine could do at best: the measured rate of the products that an epoch is made of."""
