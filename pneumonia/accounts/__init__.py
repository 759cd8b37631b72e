"""Who is there: log-in, passwords, and the keys that programs use instead. Knows no HTTP."""

from pneumonia.accounts.accounts import Accounts

__all__ = ["Accounts"]
