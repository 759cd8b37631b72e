"""Recipes side by side: the paper's figure, ours under its protocol, and ours split by patient."""
