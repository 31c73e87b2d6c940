"""The controller's connection: starts the dispatcher, sends tasks, receives outcomes."""
