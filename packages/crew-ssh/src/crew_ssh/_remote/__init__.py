"""What runs on a host: these modules' text is sent there, so they import nothing but each other."""

from __future__ import annotations
