"""Whose radiograph it is, and whether the model knows such: its facts against the model's card."""

from pneumonia.analysis.card import Card
from pneumonia.analysis.finding import PopulationMatch
from pneumonia.imaging.radiograph import OTHER_POPULATION, Facts
from pneumonia.phrases import phrase


def find_population(card: Card, facts: Facts) -> str:
    """The name of the population a radiograph belongs to; empty where that is not known.

    The age in its file counts before what the person who sent it says, and of that the age before
    the population.
    """
    age = facts.known_age_years
    if age is not None:
        return next((n for n, c in card.populations.items() if c.population.holds(age)), "")
    return facts.population if facts.population in card.populations else ""


def find_contradictions(card: Card, facts: Facts) -> tuple[str, ...]:
    """Sentences on what a file says that does not fit: the model, or what was said of it."""
    name, notes = find_population(card, facts), find_mismatches(card, facts)
    if facts.known_age_years is not None and name and facts.population not in ("", name):
        was_told = facts.age_years is None
        age = phrase("given") if was_told else phrase("in the DICOM file")
        corrected = (
            f"The film was said to be of the group {facts.population}; by the age {age} it is of "
            f"{name}, and was read so."
        )
        notes = (*notes, corrected)
    if _disagree(facts):
        notes = (*notes, "The age given is not that in the DICOM file; the file's was used.")
    return notes


def _disagree(facts: Facts) -> bool:
    """Whether two ages are told that cannot be one, rounded as ages are."""
    said, written = facts.said_age_years, facts.age_years
    return said is not None and written is not None and abs(said - written) > 1


def find_mismatches(card: Card, facts: Facts) -> tuple[str, ...]:
    """Sentences on why a film is outside what the model knows; none where nothing says so."""
    name = find_population(card, facts)
    notes = card.calibration_of(name).population.contradictions(facts)
    if not card.populations or name:
        return notes
    if facts.known_age_years is not None:
        ages = " and ".join(
            "{} to {}".format(*one.population.age_years)
            for one in card.populations.values()
            if one.population.age_years
        )
        was_told = facts.age_years is None
        source = phrase("the one given is") if was_told else phrase("the DICOM file says")
        # The age itself is not repeated: warnings are kept with the reading.
        other = (
            f"The model was calibrated on patients of {ages} years; {source} another age, so the "
            "limits for an unknown age were used."
        )
        return (*notes, other)
    if facts.population == OTHER_POPULATION:
        known = " and ".join(one.population.text for one in card.populations.values())
        return (*notes, f"The film was said to be of none of those the model knows: {known}.")
    return notes


def match_population(card: Card, facts: Facts) -> PopulationMatch:
    """Whether a film is of those that the model knows; unknown where nothing tells."""
    if find_mismatches(card, facts):
        return PopulationMatch.NO
    told = find_population(card, facts) or (
        not card.populations
        and facts.known_age_years is not None
        and card.population.holds(facts.known_age_years)
    )
    return PopulationMatch.YES if told else PopulationMatch.UNKNOWN
