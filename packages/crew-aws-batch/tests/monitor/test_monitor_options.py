"""What can be said to the monitor, before AWS is asked."""

from __future__ import annotations

from typing import Any

import pytest

import crew_core as crew
from crew_aws_batch._monitor.monitor import AwsBatchMonitor


def test_the_monitor_is_found_by_name() -> None:
    assert isinstance(crew.monitor("aws_batch"), AwsBatchMonitor)


@pytest.mark.parametrize(
    ("given", "queues"), [(None, None), ("a", ("a",)), (["a", "b"], ("a", "b"))]
)
def test_one_queue_several_or_all_can_be_named(given: Any, queues: Any) -> None:
    assert crew.monitor("aws_batch", job_queue=given).options.queues == queues  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"job_queue": []}, "name one queue at least"),
        ({"job_queue": [""]}, "must be names of job queues"),
        ({"job_definition": ""}, "job_definition=''"),
        ({"que": "a"}, "que"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(crew.ConfigError) as caught:
        crew.monitor("aws_batch", **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("missing", ["job_queue", "job_definition"])
def test_a_job_needs_a_queue_and_a_definition(missing: str) -> None:
    own = {"job_queue": "queue", "job_definition": "worker", "region": "us-east-1"}
    del own[missing]
    monitor: Any = crew.monitor("aws_batch", **own)
    with pytest.raises(crew.ConfigError, match=f"{missing}= is missing"):
        monitor.submit("name", ["true"])


def test_nothing_to_terminate_asks_nobody() -> None:
    crew.monitor("aws_batch", endpoint="http://127.0.0.1:9", region="us-east-1").terminate([])


def test_a_job_is_named_by_text() -> None:
    monitor: Any = crew.monitor("aws_batch", region="us-east-1")
    with pytest.raises(TypeError, match="must be a job's id"):
        monitor.status(4711)
