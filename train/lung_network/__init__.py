"""How the lung network is trained."""
