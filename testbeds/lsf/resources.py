"""Which resources a job may ask for: what ``bsub -R`` takes, as LSF reads it."""

from __future__ import annotations

import re

_NAMES = frozenset(
    [
        "r15s",
        "r1m",
        "r15m",
        "ut",
        "pg",
        "io",
        "ls",
        "it",
        "tmp",
        "swp",
        "mem",
        "ncpus",
        "ndisks",
        "maxmem",
        "maxswp",
        "maxtmp",
        "cpuf",
        "type",
        "model",
        "status",
        "hname",
        "server",
        "rexpri",
    ]
)
_SECTION = re.compile(r"(\w+)\[([^\[\]]*)\]\s*")
_TERM = re.compile(r"\s*!?\s*(\w+)\s*(?:(?:[<>]=?|[=!]=|=)\s*('[^']*'|[\w.:-]+)\s*)?")
_USE = re.compile(
    r"\s*(\w+)\s*=\s*[\d.]+[KMGT]?B?\s*(?::\s*(?:duration|decay)\s*=\s*\w+\s*)*", re.I
)
_SPAN = re.compile(r"\s*(?:hosts\s*=\s*1|ptile\s*=\s*\d+)\s*")


def are_understood(text: str) -> bool:
    """True when LSF would take them. Resources that no host defines are an error, too."""
    if "[" not in text:
        return _is_selection(text)
    at = 0
    while match := _SECTION.match(text, at):
        if not _is_section(match[1], match[2]):
            return False
        at = match.end()
    return at > 0  # what follows sections is not looked at


def _is_section(name: str, text: str) -> bool:
    if name == "select":
        return _is_selection(text)
    if name == "span":
        return _SPAN.fullmatch(text) is not None
    if name == "rusage":
        return all((use := _USE.fullmatch(p)) and use[1] in _NAMES for p in text.split(","))
    return name in ("order", "same", "cu", "affinity")


def _is_selection(text: str) -> bool:
    """Conditions, joined and in brackets; a word alone is one if it names a resource."""
    if text.count("(") != text.count(")"):
        return False
    terms = re.split(r"&&|\|\|", text.replace("(", " ").replace(")", " "))
    return not text.strip() or all((t := _TERM.fullmatch(p)) and t[1] in _NAMES for p in terms)
