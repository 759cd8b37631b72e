"""Secrets that let somebody in: drawn here, given away once, kept as a digest."""

import hashlib
import secrets


def draw_secret() -> str:
    """256 random bits, in letters that an address can hold."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """SHA-256, 64 hex digits: enough for what is random, unlike passwords."""
    return hashlib.sha256(secret.encode()).hexdigest()
