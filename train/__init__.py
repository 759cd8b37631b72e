"""Offline training: images on disk become a bundle. No flask, no SQL.

Runs on a machine that has torch, torchvision, numpy, Pillow, OpenCV, click, safetensors, tqdm,
matplotlib and Jinja2; TensorBoard's event log is written where that is installed.
"""
