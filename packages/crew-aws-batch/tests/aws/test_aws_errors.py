"""Failures of AWS are of a kind, and say what to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    UnauthorizedSSOTokenError,
)

from crew_aws_batch._aws.errors import AwsError, Trouble, translate


def answered(code: str, status: int, words: str = "told so") -> AwsError:
    response = {
        "Error": {"Code": code, "Message": words},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return translate(ClientError(response, "SubmitJob"), "batch", "SubmitJob")  # type: ignore[arg-type,unused-ignore]


@pytest.mark.parametrize(
    ("code", "status", "trouble", "transient", "unsure"),
    [
        ("TooManyRequestsException", 429, Trouble.THROTTLED, True, False),
        ("ThrottlingException", 400, Trouble.THROTTLED, True, False),
        ("Whatever", 429, Trouble.THROTTLED, True, False),
        ("ServerException", 500, Trouble.BROKEN, True, True),
        ("ServiceUnavailable", 503, Trouble.BROKEN, True, True),
        ("ExpiredTokenException", 403, Trouble.EXPIRED, True, False),
        ("AccessDeniedException", 403, Trouble.DENIED, False, False),
        ("UnrecognizedClientException", 403, Trouble.NO_CREDENTIALS, False, False),
        ("ClientException", 400, Trouble.REFUSED, False, False),
    ],
)
def test_answers_are_of_a_kind(
    code: str, status: int, trouble: Trouble, transient: bool, unsure: bool
) -> None:
    error = answered(code, status)
    assert (error.trouble, error.transient, error.unsure) == (trouble, transient, unsure)
    assert str(error).startswith("AWS Batch did not do SubmitJob: told so")


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (EndpointConnectionError(endpoint_url="https://x"), Trouble.UNREACHED),
        (ConnectTimeoutError(endpoint_url="https://x"), Trouble.UNREACHED),
        (ReadTimeoutError(endpoint_url="https://x"), Trouble.UNANSWERED),
        (NoCredentialsError(), Trouble.NO_CREDENTIALS),
        (UnauthorizedSSOTokenError(), Trouble.EXPIRED),
    ],
)
def test_silence_is_of_a_kind(error: Exception, trouble: Trouble) -> None:
    assert translate(error, "batch", "SubmitJob").trouble is trouble


def test_a_missing_permission_is_named() -> None:
    words = "User: arn:aws:iam::1:user/me is not authorized to perform: batch:SubmitJob on x"
    error = answered("AccessDeniedException", 403, words)
    assert error.missing == "batch:SubmitJob"
    assert str(error).endswith("Whoever asks needs the permission batch:SubmitJob")


def test_a_login_is_asked_for_when_credentials_have_expired() -> None:
    assert "aws sso login" in str(answered("ExpiredToken", 403))
