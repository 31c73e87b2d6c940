"""The monitor: shows jobs, what they print and what they use, and ends them."""
