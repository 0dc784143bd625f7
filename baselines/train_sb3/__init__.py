"""The signal game in arrays: many episodes at once, exact values, and who learns it how fast."""
