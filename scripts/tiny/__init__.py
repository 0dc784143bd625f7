"""How the embedded model is made: demonstrations, tokenizer and warm start."""
