"""Values of expressions: exact, to 60 digits at several points, and sets of real numbers."""
