"""The report of a run: its page, its last screen, and the answers that both give."""
