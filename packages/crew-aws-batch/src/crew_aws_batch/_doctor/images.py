"""Where a container image is kept, by its name. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
    r"/(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]+))?"
)


@dataclass(frozen=True)
class EcrImage:
    """An image in Amazon's own registry.

    Attributes:
        account: whose registry.
        region: where.
        repository: in it.
        tag: of the image; "latest" when the name has neither tag nor digest.
        digest: of the image, if the name has it.
    """

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def key(self) -> dict[str, str]:
        """As ECR names it."""
        if self.digest is not None:
            return {"imageDigest": self.digest}
        return {"imageTag": self.tag or "latest"}


def in_ecr(image: str) -> EcrImage | None:
    """The image, if it is in Amazon's own registry."""
    found = _ECR.fullmatch(image)
    if found is None:
        return None
    return EcrImage(**found.groupdict())
