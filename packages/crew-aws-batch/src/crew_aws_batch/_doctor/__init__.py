"""Says in plain words what is missing before anything is launched."""
