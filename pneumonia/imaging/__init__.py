"""Bytes and pixels: numpy, Pillow, OpenCV, pydicom. No torch, no flask."""

from pneumonia.imaging.decode import Upload, decode, open_upload
from pneumonia.imaging.limits import Limits
from pneumonia.imaging.radiograph import Radiograph

__all__ = ["Limits", "Radiograph", "Upload", "decode", "open_upload"]
