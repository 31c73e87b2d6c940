"""What went wrong when AWS was asked, in words for people and in kinds to decide by."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

_THROTTLES = frozenset(
    {
        "TooManyRequestsException",
        "TooManyRequests",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestLimitExceeded",
        "SlowDown",
    }
)
_EXPIRIES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_DENIALS = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"}
)
_FALSE_KEYS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_TITLES = {
    "batch": "AWS Batch",
    "ec2": "Amazon EC2",
    "logs": "CloudWatch Logs",
    "secretsmanager": "AWS Secrets Manager",
    "ssm": "AWS Parameter Store",
    "sts": "AWS STS",
}
_ACTION = re.compile(r"not authorized to perform:? ([\w-]+:\w+)")


class Trouble(Enum):
    """A kind of failure."""

    THROTTLED = "throttled"
    """Asked too often: nothing was done."""
    EXPIRED = "expired"
    """Credentials that were good until lately."""
    DENIED = "denied"
    """Not permitted."""
    NO_CREDENTIALS = "no credentials"
    """None, or false ones."""
    UNREACHED = "unreached"
    """No connection: the request was never sent."""
    UNANSWERED = "unanswered"
    """Sent, and nobody knows whether it was done."""
    BROKEN = "broken"
    """AWS failed in the middle: it may have been done."""
    REFUSED = "refused"
    """Something is wrong with the request."""


_TRANSIENT = frozenset(
    {
        Trouble.THROTTLED,
        Trouble.EXPIRED,
        Trouble.UNREACHED,
        Trouble.UNANSWERED,
        Trouble.BROKEN,
    }
)
_UNSURE = frozenset({Trouble.UNANSWERED, Trouble.BROKEN})


class AwsError(Exception):
    """AWS did not do what it was asked for. Its text says to a person what to do.

    Args:
        trouble: what kind of failure it is.
        service: boto3's name of the service.
        operation: what was asked for, as AWS calls it, such as "SubmitJob".
        words: AWS's own, or the library's.
        code: AWS's name of the error; "" when it did not answer.
        status: the HTTP status; None when it did not answer.
    """

    def __init__(
        self,
        trouble: Trouble,
        service: str,
        operation: str,
        words: str,
        *,
        code: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(trouble, service, operation, words)
        self.trouble = trouble
        self.service = service
        self.operation = operation
        self.words = " ".join(words.split())
        self.code = code
        self.status = status

    @property
    def transient(self) -> bool:
        """True when the same may succeed later."""
        return self.trouble in _TRANSIENT

    @property
    def unsure(self) -> bool:
        """True when what was asked for may have been done."""
        return self.trouble in _UNSURE

    @property
    def missing(self) -> str | None:
        """The permission that is missing, such as "batch:SubmitJob", if AWS names it."""
        found = _ACTION.search(self.words)
        return found.group(1) if found else None

    def __str__(self) -> str:
        title = _TITLES.get(self.service, self.service)
        told = f"{title} did not do {self.operation}: {self.words.rstrip('.')}"
        return f"{told}. {self._advice()}".rstrip()

    def _advice(self) -> str:
        if self.trouble is Trouble.DENIED and self.missing:
            return f"Whoever asks needs the permission {self.missing}"
        return _ADVICE[self.trouble]


_ADVICE = {
    Trouble.THROTTLED: "It was asked too often and is asked again later",
    Trouble.EXPIRED: "The credentials have expired: log in again, for example with `aws sso login`",
    Trouble.DENIED: "Whoever asks needs the permission for it",
    Trouble.NO_CREDENTIALS: (
        "Give credentials by profile=, role=, the environment or `aws configure`, and try them "
        "with `aws sts get-caller-identity`"
    ),
    Trouble.UNREACHED: "Look at region=, endpoint= and this computer's network",
    Trouble.UNANSWERED: "Whether it was done is not known",
    Trouble.BROKEN: "The failure is AWS's; whether it was done is not known",
    Trouble.REFUSED: "",
}


def translate(error: Exception, service: str, operation: str) -> AwsError:
    """What an exception of boto3's library means.

    Args:
        error: the exception.
        service: boto3's name of the service.
        operation: what was asked for, as AWS calls it.
    """
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict) and "Error" in answer:
        return _answered(answer, service, operation)
    return AwsError(_unanswered(error), service, operation, str(error) or type(error).__name__)


def _answered(answer: dict[str, Any], service: str, operation: str) -> AwsError:
    code = str(answer["Error"].get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    words = str(answer["Error"].get("Message") or code or "no reason given")
    # AWS may name the service in front of the code.
    trouble = _kind(code.rpartition(".")[2], status)
    return AwsError(trouble, service, operation, words, code=code, status=status)


def _kind(code: str, status: int | None) -> Trouble:
    kinds = (
        (_THROTTLES, Trouble.THROTTLED),
        (_EXPIRIES, Trouble.EXPIRED),
        (_DENIALS, Trouble.DENIED),
        (_FALSE_KEYS, Trouble.NO_CREDENTIALS),
    )
    for codes, trouble in kinds:
        if code in codes:
            return trouble
    if status == 429:
        return Trouble.THROTTLED
    if status is not None and status >= 500:
        return Trouble.BROKEN
    return Trouble.DENIED if status == 403 else Trouble.REFUSED


def _unanswered(error: Exception) -> Trouble:
    from botocore import exceptions as known
    from botocore.parsers import ResponseParserError

    expired = (
        known.UnauthorizedSSOTokenError,
        known.SSOTokenLoadError,
        known.TokenRetrievalError,
    )
    none = (
        known.NoCredentialsError,
        known.PartialCredentialsError,
        known.CredentialRetrievalError,
        known.ProfileNotFound,
    )
    unreached = (
        known.EndpointConnectionError,
        known.ConnectTimeoutError,
        known.ProxyConnectionError,
        known.SSLError,
    )
    unanswered = (known.HTTPClientError, known.IncompleteReadError, ResponseParserError)
    for kinds, trouble in (
        (expired, Trouble.EXPIRED),
        (none, Trouble.NO_CREDENTIALS),
        (unreached, Trouble.UNREACHED),
        (unanswered, Trouble.UNANSWERED),
    ):
        if isinstance(error, kinds):
            return trouble
    return Trouble.REFUSED
