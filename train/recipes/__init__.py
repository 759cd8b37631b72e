"""All that decides what a run does, as data, and how it is read."""
