"""A trial, its repetition where others disturbed it, and a pair of trials that take turns."""
