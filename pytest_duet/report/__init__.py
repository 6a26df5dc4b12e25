"""How results are shown: terminal, page, Markdown. Nothing here decides anything."""
