"""Side-by-side measurements; each prints a ratio, because a ratio travels between machines."""
