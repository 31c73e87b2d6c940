"""Brings crew to a host that does not have it: from what is installed here, over SSH."""
