"""The command runner ``ssh``: a login node for other packages' launchers."""
