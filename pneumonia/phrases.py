"""Marks what is only a part of a sentence for the catalogue of translations."""


def phrase(text: str) -> str:
    """The text itself: ``make messages`` takes it up, as it does whole sentences by themselves."""
    return text
