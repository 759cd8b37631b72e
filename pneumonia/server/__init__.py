"""The gunicorn worker: requests in and answers out by one loop, work in threads. Knows no Flask."""

OVERLOADED = "pneumonia.overloaded"
"""Key of the WSGI environment: set where the request is to be refused, since too many wait."""
