"""Job definitions: what a job's container is to be, registered with AWS Batch."""
