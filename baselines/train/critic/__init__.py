"""A critic: values of the turns of a conversation, fitted to the rollouts of a run."""
