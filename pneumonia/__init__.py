"""The chest X-ray reader: the application. It never imports ``train``."""

__version__ = "0.1.0"
