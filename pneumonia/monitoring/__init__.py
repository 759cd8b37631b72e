"""Whether the model holds where it is used: arrays of readings in, figures out. Numpy, no SQL."""
