"""What must hold on every scheduler, with real jobs."""
