"""What a job runs: fetches what its worker is started with, once, and becomes that worker.

``python -m crew_aws_batch._bootstrap STORE REGION NAME SHARE [ENDPOINT]``

A job's command and variables are shown to all who may describe jobs, so they hold no secret. Where
there is nothing to fetch any more, the launch was given up, or the worker has run already: the job
then ends without a failure.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from crew_aws_batch._bundle import Start, unpack

SECRETS_MANAGER = "secrets_manager"
PARAMETER_STORE = "parameter_store"
ENVIRONMENT = "environment"

VARIABLE = "CREW_START_"
"""With ``ENVIRONMENT``: the variables' names begin like this, then comes the bundle's number."""

INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
"""Set by AWS Batch in the jobs of an array, which are counted from 0."""

_GONE = ("ResourceNotFoundException", "InvalidRequestException", "ParameterNotFound")
_TRIES = 10


def entry_name(store: str, job: str, number: int) -> str:
    """The name under which a store keeps a bundle of a job."""
    slash = "/" if store == PARAMETER_STORE else ""
    return f"{slash}crew/{job}/{number}"


def main(argv: list[str]) -> int:
    """Become the worker, or say why there is none to become."""
    store, region, name, share, *rest = argv
    index = int(os.environ.get(INDEX, "0"))
    number, place = divmod(index, int(share))
    if store == ENVIRONMENT:
        text = os.environ.get(f"{VARIABLE}{number}")
    else:
        text = _fetch(store, region, entry_name(store, name, number), int(share), *rest)
    if text is None:
        _say(f"nothing to start for {name}: its launch was given up, or it ran before")
        return 0
    _become(unpack(text)[place])
    return 1


def _become(start: Start) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(VARIABLE)}
    environment.update(start.variables)
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *start.words], environment)


def _fetch(
    store: str, region: str, entry: str, share: int, endpoint: str | None = None
) -> str | None:
    """What the store has; None if it has nothing. What is one worker's alone is deleted."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    service = "secretsmanager" if store == SECRETS_MANAGER else "ssm"
    # Many jobs of an array ask at the same moment.
    config = Config(retries={"mode": "standard", "total_max_attempts": _TRIES})
    client = boto3.client(service, region_name=region, endpoint_url=endpoint, config=config)
    try:
        text = _read(client, store, entry)
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise
    if share == 1:
        try:
            _delete(client, store, entry)
        except ClientError as error:  # whoever launched it deletes it later
            _say(f"cannot delete {entry}: {error}")
    return text


def _read(client: Any, store: str, entry: str) -> str:
    if store == SECRETS_MANAGER:
        return str(client.get_secret_value(SecretId=entry)["SecretString"])
    return str(client.get_parameter(Name=entry, WithDecryption=True)["Parameter"]["Value"])


def _delete(client: Any, store: str, entry: str) -> None:
    if store == SECRETS_MANAGER:
        client.delete_secret(SecretId=entry, ForceDeleteWithoutRecovery=True)
    else:
        client.delete_parameter(Name=entry)


def _say(text: str) -> None:
    sys.stderr.write(f"crew: {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
