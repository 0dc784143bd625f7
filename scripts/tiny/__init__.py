"""Creation of the embedded model: demonstrations, tokenizer and warm start."""
