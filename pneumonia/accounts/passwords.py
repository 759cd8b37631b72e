"""Passwords: which are accepted, and how they are kept.

NIST SP 800-63B: length counts, no rules of composition, and none that is easy to guess. Argon2id
with the parameters of the OWASP Password Storage Cheat Sheet: 19 MiB, since sixteen may log in at
once.
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pneumonia.errors import WeakPassword

MIN_LENGTH = 12
MAX_LENGTH = 128
HOUSE_WORDS = ("pneumonia", "chest", "xray", "radiology", "radiograph", "hospital", "clinic")
"""What comes to mind in front of this program: as easy to guess as the person's own name."""
_SAFE_SCORE = 3
"""Of zxcvbn, 0 to 4: "safely unguessable", more than 10^8 guesses."""
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def check_password(password: str, name: str) -> None:
    """Refuse what is short, or what a program that guesses would come to soon.

    Raises
    ------
    WeakPassword
    """
    if len(password) < MIN_LENGTH:
        raise WeakPassword(
            f"It has {len(password)} characters; take at least {MIN_LENGTH}. Four or five words "
            "that do not belong together are easy to remember and hard to guess."
        )
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"It has {len(password)} characters; take at most {MAX_LENGTH}.")
    # Its lists of common passwords take a while to load; only this needs them.
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]

    found = zxcvbn(password, user_inputs=[name, *HOUSE_WORDS], max_length=MAX_LENGTH)
    if found["score"] < _SAFE_SCORE:
        why = found["feedback"]["warning"] or "It follows a pattern that is tried early."
        raise WeakPassword(
            f"{why} Take four or five words that do not belong together, or let a password "
            "manager choose one."
        )


def hash_password(password: str) -> str:
    """Argon2id in its own notation, parameters and salt included."""
    return _HASHER.hash(password)


def is_right(password_hash: str, password: str) -> bool:
    """Takes as long for an account that does not exist, or has no password yet (empty hash)."""
    try:
        return _HASHER.verify(password_hash or _NOBODYS, password) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was hashed by other parameters than those of today."""
    return _HASHER.check_needs_rehash(password_hash)


# Of a password that nobody has: verifying against it is the work of any other log-in.
_NOBODYS = (
    "$argon2id$v=19$m=19456,t=2,p=1$zCx6sZUgrwjekEphObSaSQ$"
    "D/1eE8CG9szgLTfvfplcHvb1i7+rm2z7Tb12IZCRUNw"
)
