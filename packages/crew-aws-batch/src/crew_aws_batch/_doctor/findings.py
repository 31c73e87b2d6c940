"""What an examination finds, one sentence at a time. Pure."""

from __future__ import annotations

from crew_aws_batch._aws.errors import AwsError, Trouble
from crew_core.plugins import Finding, Grade


def good(check: str, words: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Grade.GOOD, words)


def doubtful(check: str, words: str, advice: str) -> Finding:
    """It may work."""
    return Finding(check, Grade.DOUBTFUL, words, advice)


def bad(check: str, words: str, advice: str) -> Finding:
    """It will not work."""
    return Finding(check, Grade.BAD, words, advice)


def unseen(check: str, error: AwsError) -> Finding:
    """AWS did not let it be seen."""
    needed = error.missing or f"{error.service}:{error.operation}"
    if error.trouble is Trouble.DENIED:
        return doubtful(
            check,
            f"not permitted to look ({needed})",
            f"allow {needed}, or see for yourself",
        )
    return doubtful(check, f"could not be seen: {error}", "ask again later")
