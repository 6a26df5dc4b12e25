"""What is done with saved runs, outside of a pytest session."""
