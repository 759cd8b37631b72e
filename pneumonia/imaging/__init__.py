"""Bytes and pixels: numpy, Pillow, OpenCV, pydicom. No torch, no flask."""
