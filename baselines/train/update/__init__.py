"""One policy update: batches, forward pass, gradient accumulation and the optimizer step."""
