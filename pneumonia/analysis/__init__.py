"""Radiograph -> Finding."""
