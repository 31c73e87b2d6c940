"""The worker: a supervisor that holds the connection, and the task process that runs user code."""
