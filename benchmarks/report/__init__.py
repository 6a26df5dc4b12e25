"""HOW IT IS SHOWN: terminal and files. Reads what measure and judge wrote, and decides nothing."""
