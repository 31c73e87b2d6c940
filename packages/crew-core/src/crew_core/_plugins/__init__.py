"""Plugins: the hooks they may implement, how they are found, and what is said of broken ones."""
