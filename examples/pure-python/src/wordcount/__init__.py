"""Counts words."""

from collections import Counter


def count(text):
    """Return how often each word stands in a text, whatever its case."""
    return Counter(text.lower().split())


def longest(text):
    """Return the longest word of a text; of several, the first in the alphabet."""
    return min(set(text.split()), key=lambda word: (-len(word), word))
