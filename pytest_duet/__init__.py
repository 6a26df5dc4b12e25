"""The instrument: trials in processes of their own, that take turns, are recorded, judged and reported."""
