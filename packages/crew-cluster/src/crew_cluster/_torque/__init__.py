"""Workers as jobs of TORQUE."""
