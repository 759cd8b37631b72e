"""Offline training: images on disk become a bundle. No flask, no SQL.

Runs on a machine that has only torch, torchvision, numpy, Pillow, OpenCV and click; TensorBoard's
event log and matplotlib's plots are written where those are installed.
"""
