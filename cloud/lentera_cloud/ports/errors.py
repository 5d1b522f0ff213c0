"""What a store can fail with."""

from lentera_model.errors import LenteraError


class StoreError(LenteraError):
    """Something a store could not do; see the subclasses."""

    code = "store_error"


class StoreUnavailableError(StoreError):
    """The store cannot be reached or cannot write now (down, disk full, timed out): try the same again later."""

    code = "store_unavailable"


class StoreSchemaError(StoreError):
    """The store's tables are not what this version can use: a person has to act, waiting does not help."""

    code = "store_schema"


class StoreRefusedError(StoreError):
    """The store is well but refuses this content: the same again will be refused again; the caller bisects."""

    code = "store_refused"


class AlreadyExistsError(StoreError):
    """A row with this identifier exists already."""

    code = "already_exists"


class IdempotencyConflictError(StoreError):
    """The idempotency key was used before with a different body."""

    code = "idempotency_key_reused"
