"""AWS within the tests' own process, for whatever needs no worker to run."""
