"""Statistics and verdicts. Nothing here knows pytest, a process or a file."""
