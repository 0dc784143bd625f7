"""Training in several processes, with rollouts from servers."""
