"""What a model is worth: figures, plots and the evidence report."""
