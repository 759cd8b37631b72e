"""Searches over a recipe's settings, on Optuna; what is best is chosen on validation alone."""
