"""The instrument: trials in processes of their own, that take turns, are recorded, judged and reported.

PYTEST_DONT_REWRITE: it asserts nothing that pytest would have to explain, and is imported before pytest in a worker.
"""
