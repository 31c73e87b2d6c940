"""The store that needs nothing installed: a process of ours, in memory or with a file on disk."""
