"""What can go wrong at the front door: one class a cause, each message says what, where and what to do."""

from __future__ import annotations

from lentera.language import reader_words
from lentera_model.errors import LenteraError


class FrontDoorError(LenteraError):
    """Base of the errors of the command line, the API client and the demo."""

    code = "front_door"


class MissingExtraError(FrontDoorError):
    """A command belongs to a room whose extra is not installed here."""

    code = "missing_extra"

    def __init__(self, extra: str, modules: list[str]) -> None:
        self.extra = extra
        super().__init__(reader_words()("error.missing_extra", extra=extra, modules=", ".join(modules)))


class NoCloudError(FrontDoorError):
    """Nobody said which cloud to talk to."""

    code = "no_cloud"


class StaleSessionError(FrontDoorError):
    """The demo that wrote the session file has ended."""

    code = "stale_session"


class UnsafeSessionError(FrontDoorError):
    """The session file may be read by others or belongs to somebody else."""

    code = "unsafe_session"


class BadTimeSpanError(FrontDoorError):
    """A time span such as `1h` or `15m` could not be read."""

    code = "bad_time_span"


class UnreachableError(FrontDoorError):
    """The cloud did not answer at all."""

    code = "unreachable"


class UnreadableAnswerError(FrontDoorError):
    """Something answered, but not as Lentera's API does."""

    code = "unreadable_answer"


class ApiError(FrontDoorError):
    """The API refused a request; `status`, `title`, `detail` and `problem_code` are those of its problem+json answer.

    `errors` lists the single fields that were wrong (status 422).
    """

    code = "api_error"

    def __init__(
        self, status: int, title: str, detail: str, problem_code: str, errors: list[str], remedy: str = ""
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.problem_code = problem_code
        self.errors = errors
        main = (detail or title).rstrip(". ")
        # The detail often repeats the first field; say nothing twice.
        unsaid = [error for error in errors if error not in main]
        main += f" ({'; '.join(unsaid)})" if unsaid else ""
        super().__init__(f"{main}. {remedy}".rstrip())


class UnauthorizedError(ApiError):
    """401: no token, or one that the cloud does not know or has revoked."""


class ForbiddenError(ApiError):
    """403: the token's role may not do this."""


class NotFoundError(ApiError):
    """404: no such device, command or gateway in this tenant."""


class InvalidRequestError(ApiError):
    """400, 409, 413 or 422: the request itself was wrong; `errors` names the fields."""


class CloudTroubleError(ApiError):
    """5xx or 429: the cloud could not serve the request now; trying again later may help."""


class DemoError(FrontDoorError):
    """The demo could not start or lost one of its parts."""

    code = "demo"


class PartDiedError(DemoError):
    """A part of the demo (street, cloud or gateway) ended by itself before the demo was ready."""

    code = "part_died"


class NotReadyError(DemoError):
    """A part of the demo did not become ready in time."""

    code = "not_ready"


class StoreNotOpenError(DemoError):
    """The store of readings that the demo was told to use does not answer or does not let us in."""

    code = "store_not_open"


class InterruptedDemoError(DemoError):
    """Ctrl-C or SIGTERM ended a counted run before it could be checked."""

    code = "interrupted"


class BadSettingError(FrontDoorError):
    """An environment variable of the cloud holds something that does not fit."""

    code = "bad_setting"


class CannotListenError(FrontDoorError):
    """The cloud's port is taken or not allowed."""

    code = "cannot_listen"


class ExportError(FrontDoorError):
    """What waits in a journal cannot be written into that file."""

    code = "journal_export"


class NoJournalError(FrontDoorError):
    """No gateway has kept a journal where the configuration says, or this user may not read it."""

    code = "no_journal"
