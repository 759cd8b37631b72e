"""Marks what is only a part of a sentence for the catalogue of translations."""

from typing import TypeVar

Text = TypeVar("Text", bound=str)


def phrase(text: Text) -> Text:
    """The text itself: ``make messages`` takes it up, as it does whole sentences by themselves."""
    return text
