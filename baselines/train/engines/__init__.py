"""Training in several processes, with rollouts from inference servers."""
