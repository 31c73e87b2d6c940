"""What users say about hosts and workers. Pure."""
