"""Uploads are decoded here, in confined processes that can die without taking the service along."""
