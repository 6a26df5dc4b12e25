"""A trial, a pair of trials that take turns, and their repetition where others disturbed them."""
