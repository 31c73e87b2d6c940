"""crew launchers for SLURM, SGE, LSF, PBS and TORQUE; found by name, never imported by users."""
