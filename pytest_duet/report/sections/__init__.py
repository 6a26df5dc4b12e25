"""What a report shows, a file a section: its rows, which are also its table and its download, and its chart."""
