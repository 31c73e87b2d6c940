"""Workers as jobs of LSF."""
