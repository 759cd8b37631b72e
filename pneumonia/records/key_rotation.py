"""Every film sealed by the key of today, after one is given for the first time or another."""

from dataclasses import dataclass

from sqlalchemy import select

from pneumonia.errors import FilmDamaged, FilmLocked, StorageUnavailable
from pneumonia.records.audit_chain import Action, append
from pneumonia.records.store import Store
from pneumonia.records.tables import ReadingRow


@dataclass(slots=True)
class Rotation:
    """What became of the films.

    Attributes
    ----------
    key_id
        Of the key that seals now.
    sealed, before
        Films that were sealed anew, and those that were already.
    faults
        A sentence for each film that could not be opened; its file is as it was.
    """

    key_id: str
    sealed: int
    before: int
    faults: list[str]


def rotate_keys(store: Store) -> Rotation:
    """Seal every film by the first key; the server may run meanwhile.

    Each film is replaced as a whole, so that a run that was cut off loses nothing, and the next one
    goes on with what is left.

    Raises
    ------
    FilmLocked
        Where no key is given, or its file cannot be used.
    StorageUnavailable
    """
    current = store.radiographs.keys.current()
    if current is None:
        raise FilmLocked(
            "No key is given: name a file that holds one with PNEUMONIA_FILM_KEY_FILE. Nothing was "
            "changed."
        )
    found = Rotation(current.id, 0, 0, [])
    store.migrate()
    for reading_id in store.radiographs.all():
        try:
            if _seal_anew(store, reading_id):
                found.sealed += 1
            else:
                found.before += 1
        except FileNotFoundError:  # deleted meanwhile
            continue
        except (FilmLocked, FilmDamaged) as error:
            found.faults.append(error.detail)
        except OSError as error:
            raise StorageUnavailable(
                f"The film of {reading_id} cannot be written: {error.strerror}. Those before it "
                "are done and none is lost: mend that, and run the command again."
            ) from error
    with store.session("write to the audit log") as session:
        append(session, Action.KEYS_ROTATED, subject=f"{found.sealed} films, key {found.key_id}")
        session.commit()
    return found


def _seal_anew(store: Store, reading_id: str) -> bool:
    """Whether there was anything to do."""
    had_row = _has_row(store, reading_id)
    try:
        return store.radiographs.seal_anew(reading_id)
    finally:
        # Deleted while it was written: the new file must not outlive its row. One that never had
        # a row is left alone: it may belong to a database that is only not here today.
        if had_row and not _has_row(store, reading_id):
            store.radiographs.delete(reading_id)


def _has_row(store: Store, reading_id: str) -> bool:
    query = select(ReadingRow.id).where(ReadingRow.id == reading_id)
    with store.session("look up the reading") as session:
        return session.scalar(query) is not None
