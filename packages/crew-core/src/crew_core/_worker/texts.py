"""What users' objects say of themselves, as text that can be sent."""

from __future__ import annotations


def text_of(value: object) -> str:
    """``str(value)``, whatever it does, as text that can be encoded."""
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001  (the user's own __str__)
        text = f"<its message could not be made: {type(error).__name__}>"
    return encodable(text)


def encodable(text: str) -> str:
    """The text with escapes in place of what UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
