"""What texts may do in a prompt: no forged headings or control tokens, and no stated answers."""
