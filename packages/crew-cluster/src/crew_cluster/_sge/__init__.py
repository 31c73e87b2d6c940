"""Workers as jobs of Grid Engine."""
