"""Asks platforms to start and end workers: the plugin author's classes, and this computer's own."""
