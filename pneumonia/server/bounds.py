"""What a connection may cost before it has asked anything that can be answered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits of the worker.

    Attributes
    ----------
    connections
        Held at once; beyond that the one that has been arriving longest makes room.
    head_bytes, head_s
        Of a request's line and fields, and the time for them.
    body_grace_s, bytes_per_s, longest_s
        A body, or an answer on its way to a slow reader, has the grace, and a second more for each
        ``bytes_per_s`` that went through, and never more than ``longest_s``.
    kept_bytes
        Of a body; what comes beyond that is read away, so that the client sees its refusal.
    discarded_bytes
        Longest body that is read away; a longer one is refused at its head.
    arriving_bytes
        Of all bodies together, in temporary files.
    uploads
        POST requests in work or waiting for a thread at most; more are refused at once.
    waiting_s
        What the last of them should take: fewer are let in where the machine is slow (`admission`).
        One that had no thread for so long is refused.
    """

    connections: int = 512
    head_bytes: int = 64 * 2**10
    head_s: float = 10.0
    body_grace_s: float = 20.0
    bytes_per_s: int = 16 * 2**10
    longest_s: float = 300.0
    kept_bytes: int = 51 * 2**20
    discarded_bytes: int = 256 * 2**20
    arriving_bytes: int = 512 * 2**20
    uploads: int = 32
    waiting_s: float = 4.0

    def allowed_s(self, moved_bytes: int) -> float:
        """How long a transfer may have taken that has moved so many bytes."""
        return min(self.body_grace_s + moved_bytes / self.bytes_per_s, self.longest_s)
