"""Domain errors: each has a stable code, a short title, and a sentence that says what to do.

The code is part of the interface (API clients and scripts match on it); the sentence is the text
of the exception, made where the error is raised, because only there it is known what was found.
Nothing here knows HTTP: ``pneumonia.web.problems`` holds the one table from class to status.
"""

from typing import ClassVar


class DomainError(Exception):
    """Anything a person did, or can mend. ``str(error)`` is the sentence shown to them."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"

    @property
    def detail(self) -> str:
        return str(self)


# --- the uploaded image -------------------------------------------------------------------------


class ImageError(DomainError):
    """The upload cannot be turned into a radiograph."""

    code = "bad_image"
    title = "The image cannot be read"


class NoImage(ImageError):
    code = "no_image"
    title = "No image was sent"


class EmptyFile(ImageError):
    code = "empty_file"
    title = "The file is empty"


class FileTooLarge(ImageError):
    code = "file_too_large"
    title = "The file is too large"


class TooManyPixels(ImageError):
    code = "too_many_pixels"
    title = "The image has too many pixels"


class MissingFile(DomainError):
    """A path given on the command line leads nowhere."""

    code = "file_not_found"
    title = "There is no such file"


class UnreadableFile(DomainError):
    code = "file_unreadable"
    title = "The file cannot be opened"


class UnsupportedFormat(ImageError):
    """The content is not JPEG, PNG or DICOM."""

    code = "unsupported_format"
    title = "This kind of file is not accepted"


class UnsupportedEncoding(ImageError):
    """The right kind of file, in a variant that is not read (CMYK, animation, floats, ...)."""

    code = "unsupported_encoding"
    title = "This variant of the format is not accepted"


class DamagedImage(ImageError):
    code = "damaged_image"
    title = "The file is damaged"


class NoPixelData(ImageError):
    code = "no_pixel_data"
    title = "The file holds no image"


class DecoderStopped(ImageError):
    """The decoder did not survive the file, or took more time or memory than one may have."""

    code = "decoder_stopped"
    title = "The file could not be decoded within its bounds"


class DamagedArchive(ImageError):
    """A ZIP archive, or one file of it, that cannot be unpacked."""

    code = "damaged_archive"
    title = "The ZIP archive is damaged"


class EmptyArchive(ImageError):
    code = "empty_archive"
    title = "The ZIP archive is empty"


class ArchiveTooLarge(ImageError):
    code = "archive_too_large"
    title = "The ZIP archive holds too much"


class MemberRefused(ImageError):
    """A file of an archive that is not opened, whatever is in it."""

    code = "member_refused"
    title = "This file of the archive is not opened"


class LeftAside(ImageError):
    """``films``: paths of the pictures that a disc's directory lists, where it lists some."""

    code = "left_aside"
    title = "Left aside"

    def __init__(self, detail: str, films: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.films = films


class UnreadableRadiograph(ImageError):
    """A sound image that the gate does not let through to a verdict."""

    code = "unreadable_film"
    title = "The film cannot be read"


class RadiographTooSmall(UnreadableRadiograph):
    code = "film_too_small"
    title = "The image is too small to read"


class RadiographTooFlat(UnreadableRadiograph):
    code = "film_too_flat"
    title = "The image has no contrast to read"


class NotAChestRadiograph(UnreadableRadiograph):
    code = "not_a_chest_film"
    title = "This is not a frontal chest X-ray"


class RadiographTurned(UnreadableRadiograph):
    """``clockwise``: by how many degrees the film has to be turned to lie upright."""

    code = "film_turned"
    title = "The film does not lie upright"

    def __init__(self, detail: str, clockwise: int = 0) -> None:
        super().__init__(detail)
        self.clockwise = clockwise


class RadiographCutOff(UnreadableRadiograph):
    """An edge of the film runs through a lung, or one lung is not there."""

    code = "film_cut_off"
    title = "A part of the lungs is missing"


# --- the model ----------------------------------------------------------------------------------


class ModelError(DomainError):
    code = "model_error"
    title = "The model cannot be used"


class NoModel(ModelError):
    code = "no_model"
    title = "No model is installed"


class DamagedBundle(ModelError):
    """A file of the bundle is missing, unreadable, or not what the card says it is."""

    code = "damaged_bundle"
    title = "The model bundle is damaged"


class ModelNotReady(ModelError):
    code = "model_not_ready"
    title = "The model is still loading"


class Overloaded(ModelError):
    code = "overloaded"
    title = "Too many images are waiting"


class AnalysisTimeout(ModelError):
    code = "analysis_timeout"
    title = "The analysis took too long"


class AnalysisFailed(ModelError):
    code = "analysis_failed"
    title = "The analysis failed"


class UnknownArchitecture(ModelError):
    code = "unknown_architecture"
    title = "The architecture is not known"


class DecoderUnavailable(DomainError):
    """No process could be started that decodes."""

    code = "decoder_unavailable"
    title = "Images cannot be decoded at the moment"


# --- who asks, and for whom ---------------------------------------------------------------------


class UntrustedHost(DomainError):
    """The request is for a host that this server is not."""

    code = "untrusted_host"
    title = "This server does not go by that name"


class CrossOrigin(DomainError):
    """A page of another site made the browser send this."""

    code = "cross_origin"
    title = "The request came from another site"


class LogInNeeded(DomainError):
    """Nobody knows who asks."""

    code = "log_in_needed"
    title = "Log in first"


class LogInRefused(DomainError):
    """Never says which part was wrong, nor whether there is such an account."""

    code = "log_in_refused"
    title = "You are not logged in"


class SignInFailed(DomainError):
    """The answer of the clinic's sign-in service does not hold."""

    code = "sign_in_failed"
    title = "You are not logged in"


class SignInUnavailable(DomainError):
    code = "sign_in_unavailable"
    title = "The sign-in service does not answer"


class TooManyAttempts(DomainError):
    """``retry_after_s``: seconds until another one is looked at."""

    code = "too_many_attempts"
    title = "Too many attempts"

    def __init__(self, detail: str, retry_after_s: int = 60) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class NotPermitted(DomainError):
    code = "not_permitted"
    title = "Your account may not do this"


class LocalOnly(DomainError):
    """The local mode is asked from elsewhere."""

    code = "local_only"
    title = "This reader is for one person on its own computer"


class NoAccounts(DomainError):
    """What only a reader with accounts has."""

    code = "no_accounts"
    title = "This reader has no accounts"


class LinkInvalid(DomainError):
    code = "link_invalid"
    title = "This link does not work any more"


class WeakPassword(DomainError):
    code = "weak_password"
    title = "This password is too easy to guess"


class AccountError(DomainError):
    """A change of an account that cannot be."""

    code = "account_error"
    title = "The account cannot be changed so"


class NameTaken(AccountError):
    code = "name_taken"
    title = "This name is taken"


class UserNotFound(AccountError):
    code = "user_not_found"
    title = "There is no such user"


class LastAdministrator(AccountError):
    code = "last_administrator"
    title = "One administrator has to stay"


# --- records, settings, training data -----------------------------------------------------------


class ReadingNotFound(DomainError):
    code = "reading_not_found"
    title = "There is no such reading"


class RadiographMissing(DomainError):
    """The row of a reading is there, the picture it belongs to is not."""

    code = "film_missing"
    title = "The picture of this reading is gone"


class FilmDamaged(RadiographMissing):
    """An encrypted film does not open by its key."""

    code = "film_damaged"
    title = "The picture of this reading is damaged"


class LevelsNotKept(DomainError):
    """All grey levels of a film were asked for, and there are no more than its picture has."""

    code = "levels_not_kept"
    title = "There are no more grey levels of this film"


class StudyNotKept(DomainError):
    """A result as DICOM was asked for, and nobody knows any more whose film it was."""

    code = "study_not_kept"
    title = "There are no DICOM results of this reading"


class QueueItemNotFound(DomainError):
    code = "queue_item_not_found"
    title = "There is no such film in the queue"


class ReceivedFileMissing(DomainError):
    """A film of the queue whose file is gone."""

    code = "received_file_missing"
    title = "The received file is missing"


class PeerUnreachable(DomainError):
    """The PACS, or another system of the clinic, does not answer."""

    code = "peer_unreachable"
    title = "The other system does not answer"


class PeerRefused(DomainError):
    """The other system answers, and does not take or give what it was asked for."""

    code = "peer_refused"
    title = "The other system refused"


class StorageUnavailable(DomainError):
    """The database or the data folder does not answer, or is full, or may not be written."""

    code = "storage_unavailable"
    title = "Readings cannot be stored at the moment"


class FilmLocked(StorageUnavailable):
    """Films are encrypted, and the key is not there."""

    code = "film_locked"
    title = "The films are encrypted, and their key is missing"


class BackupError(DomainError):
    """A backup cannot be written, read or put in place."""

    code = "bad_backup"
    title = "The backup cannot be used"


class BadParameter(DomainError):
    """A query parameter or form field outside its range."""

    code = "bad_parameter"
    title = "A parameter is out of range"


class BadSetting(DomainError):
    code = "bad_setting"
    title = "A setting cannot be used"


class DataError(DomainError):
    """The training data cannot be used as it lies."""

    code = "bad_data"
    title = "The data cannot be used"


class RecipeError(DomainError):
    code = "bad_recipe"
    title = "The recipe cannot be used"


class RunError(DomainError):
    """A training run cannot be started or resumed."""

    code = "bad_run"
    title = "The run cannot go on"
