"""Worker processes in which answers are compared under a time limit."""
