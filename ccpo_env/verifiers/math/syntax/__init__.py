"""Parse LaTeX arithmetic and plain numbers; no names are looked up and no code is run."""
