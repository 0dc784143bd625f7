"""What is played on each task so that credit can be allocated, and what that has cost."""
