"""The forms in which an answer is read: a number, a measure, an expression, a list, a set."""
