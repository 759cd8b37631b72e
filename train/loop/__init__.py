"""Films -> a trained network: one run, from its first epoch to its best."""
