"""Where tasks, results, workers and logs are kept for all who work together."""
