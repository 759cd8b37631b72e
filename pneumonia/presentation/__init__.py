"""A finding in words and in JSON, for the pages, the API and the command line. No flask."""
