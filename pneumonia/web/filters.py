"""What a list of readings is filtered and sorted by, as the page and the API are asked for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import request
from flask_babel import lazy_gettext  # type: ignore[import-untyped]
from werkzeug.datastructures import MultiDict
from wtforms import (  # type: ignore[import-untyped]
    Field,
    Form,
    HiddenField,
    SearchField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
)
from wtforms.validators import Length, Optional, Regexp  # type: ignore[import-untyped]
from wtforms.widgets import CheckboxInput, DateInput  # type: ignore[import-untyped]

from pneumonia.analysis.finding import PopulationMatch
from pneumonia.errors import BadParameter
from pneumonia.records import Place, Query, ReviewState, Sort, Verdict
from pneumonia.web.services import services
from pneumonia.web.uploads import MAX_REFERENCE

_DAY = len("2026-03-01")


class DayField(Field):  # type: ignore[misc]
    """A day in UTC, or a moment with its zone: the page's script says the viewer's own days so.

    ``end``: the moment is the day's end, instead of its beginning.
    """

    widget = DateInput()

    def __init__(self, *args: Any, end: bool = False, **others: Any) -> None:
        super().__init__(*args, **others)
        self._end = end
        self._text = ""

    def _value(self) -> str:
        return self._text[:_DAY]

    def process_formdata(self, values: list[str]) -> None:
        self._text = values[0].strip() if values else ""
        if not self._text:
            return
        whole_day = timedelta(days=1) if self._end and len(self._text) == _DAY else timedelta()
        try:
            moment = datetime.fromisoformat(self._text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            self.data = moment.astimezone(UTC) + whole_day
        except ValueError:
            raise ValueError("A day reads like 2026-03-01.") from None
        except OverflowError:  # at the ends of the calendar
            raise ValueError("Choose a day of the years 2 to 9998.") from None


class FilterForm(Form):  # type: ignore[misc]
    """The filters, under the names they have in an address."""

    reference = SearchField(lazy_gettext("Reference"), [Length(max=MAX_REFERENCE)])
    verdict = SelectMultipleField(
        lazy_gettext("Verdict"),
        choices=[
            SelectChoice(Verdict.PNEUMONIA, lazy_gettext("Pneumonia")),
            SelectChoice(Verdict.INDETERMINATE, lazy_gettext("Indeterminate")),
            SelectChoice(Verdict.NORMAL, lazy_gettext("Normal")),
            SelectChoice(Verdict.OUTSIDE, lazy_gettext("Outside")),
        ],
        option_widget=CheckboxInput(),
    )
    match = SelectField(
        lazy_gettext("Patient"),
        choices=[
            SelectChoice("", lazy_gettext("Any")),
            SelectChoice(PopulationMatch.YES, lazy_gettext("Known to the model")),
            SelectChoice(PopulationMatch.UNKNOWN, lazy_gettext("Not stated")),
            SelectChoice(PopulationMatch.NO, lazy_gettext("Outside what it knows")),
        ],
        default="",
    )
    model = SelectField(lazy_gettext("Model"), default="")
    review = SelectField(
        lazy_gettext("Review"),
        choices=[
            SelectChoice("", lazy_gettext("Any")),
            SelectChoice(ReviewState.NONE, lazy_gettext("Not reviewed")),
            SelectChoice(ReviewState.ANY, lazy_gettext("Reviewed")),
            SelectChoice(ReviewState.AGREE, lazy_gettext("Agrees")),
            SelectChoice(ReviewState.DISAGREE, lazy_gettext("Disagrees")),
            SelectChoice(ReviewState.UNSURE, lazy_gettext("Unsure")),
        ],
        default="",
    )
    since = DayField(lazy_gettext("Since"))
    until = DayField(lazy_gettext("Until"), end=True)
    batch = HiddenField(validators=[Optional(), Regexp(r"^[0-9a-f]{32}$")])
    sort = SelectField(
        lazy_gettext("Order"),
        choices=[
            SelectChoice(Sort.NEWEST, lazy_gettext("Newest first")),
            SelectChoice(Sort.OLDEST, lazy_gettext("Oldest first")),
            SelectChoice(Sort.UNCERTAIN, lazy_gettext("Least certain first")),
            SelectChoice(Sort.HIGHEST, lazy_gettext("Most probable first")),
            SelectChoice(Sort.LOWEST, lazy_gettext("Least probable first")),
        ],
        default=Sort.NEWEST,
    )

    def __init__(self, arguments: "MultiDict[str, str]") -> None:
        super().__init__(arguments)
        self.model.choices = [
            SelectChoice("", lazy_gettext("Any")),
            *map(SelectChoice, services().worklist.models()),
        ]

    @property
    def kept(self) -> dict[str, Any]:
        """The filters that are set, as an address keeps them; the order always."""
        given = {name: [v for v in request.args.getlist(name) if v] for name in self._fields}
        return {name: values for name, values in given.items() if values} | {
            "sort": [self.sort.data]
        }

    @property
    def is_narrow(self) -> bool:
        """Whether anything is filtered."""
        return self.kept.keys() - {"sort"} != set()

    def query(self) -> Query:
        """What is asked for. Raises BadParameter where a field holds what it cannot."""
        if not self.validate():
            name = next(iter(self.errors))
            given = ", ".join(request.args.getlist(name))[:40]
            raise BadParameter(f"{name} is {given!r}. {self._say(name)}")
        return Query(
            reference=(self.reference.data or "").strip(),
            verdicts=tuple(Verdict(one) for one in self.verdict.data or ()),
            match=PopulationMatch(self.match.data) if self.match.data else None,
            model=self.model.data,
            review=ReviewState(self.review.data) if self.review.data else None,
            since=self.since.data,
            until=self.until.data,
            batch=self.batch.data or "",
            sort=Sort(self.sort.data),
        )

    def _say(self, name: str) -> str:
        choices = [str(value) for value, *_ in getattr(self[name], "choices", None) or () if value]
        return f"It must be one of: {', '.join(choices)}." if choices else self[name].errors[0]


def place(name: str, sort: Sort) -> Place | None:
    """The place that a page of a list begins after (``after``) or ends before (``before``).

    Raises
    ------
    BadParameter
    """
    text = request.args.get(name)
    if not text:
        return None
    try:
        return Place.parse(text, sort)
    except ValueError:
        raise BadParameter(
            f"{name} is {text[:40]!r}, which is no place in this order of the list. Take it from "
            "the answer before, with the same order, or start without it."
        ) from None
