"""The app's commands: ``flask predict``, ``flask models``, ``flask users`` and ``flask audit``."""
