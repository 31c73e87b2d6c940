"""Workers as jobs of PBS."""
