"""The app's commands: ``flask predict`` and ``flask models``."""
