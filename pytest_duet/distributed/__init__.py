"""Several pytest workers in one session, by pytest-xdist: one for each GPU or set of cores, or one for each machine."""
