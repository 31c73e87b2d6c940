"""AWS Batch on this machine: moto's server, and an agent that runs what is submitted for real."""

from testbeds.aws_batch.bed import AwsBatchBed
from testbeds.aws_batch.options import AwsBatchOptions

__all__ = ["AwsBatchBed", "AwsBatchOptions"]
