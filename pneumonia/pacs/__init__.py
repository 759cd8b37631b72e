"""The clinic's other systems: films taken from them, and results sent back.

No SQL and no Flask: what arrives goes through one door, :mod:`intake`, into the queue of
``pneumonia.records``, and :mod:`worker` goes through that.
"""
