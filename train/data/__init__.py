"""Files on disk -> films the loop can draw from."""
