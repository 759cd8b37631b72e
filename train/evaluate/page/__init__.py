"""The evidence report as one page of HTML: no scripts, no other files, light and dark."""
