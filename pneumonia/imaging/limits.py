"""What an upload may weigh, checked before anything is allocated for it."""

from dataclasses import dataclass

from pneumonia.errors import FileTooLarge, TooManyPixels


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one upload.

    Attributes
    ----------
    max_bytes
        Largest file, bytes.
    max_pixels
        Largest image, pixels (width times height).
    """

    max_bytes: int = 50 * 2**20
    max_pixels: int = 40_000_000

    def check_bytes(self, size_bytes: int) -> None:
        """Raises FileTooLarge."""
        if size_bytes > self.max_bytes:
            raise FileTooLarge(
                f"The file has {size_bytes / 2**20:,.1f} MB; at most "
                f"{self.max_bytes / 2**20:,.1f} MB are accepted. "
                "Export the film as a JPEG, or at a lower resolution."
            )

    def check_pixels(self, width: int, height: int, samples: int = 1) -> None:
        """Raises TooManyPixels; ``samples`` is the values of one pixel that each take memory."""
        if width * height * samples > self.max_pixels:
            colours = f" of {samples} colours" if samples > 1 else ""
            raise TooManyPixels(
                f"The image has {width:,} x {height:,} pixels{colours}; at most "
                f"{self.max_pixels / samples / 1e6:,.3g} million are accepted. "
                "Export the film at a lower resolution."
            )
