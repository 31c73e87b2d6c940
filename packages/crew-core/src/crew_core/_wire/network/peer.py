"""A connection over the network: TCP, through TLS or not."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl

from crew_core._wire.peer import Peer

LOOKED_IN = "it went without a word"
"""Why a connection is over whose other end only wanted to know whether somebody listens."""


class NetworkPeer(Peer):
    """A connection to one other end.

    Args:
        connection: owned from now on. An ``SSLSocket`` shakes hands first.
        limit: the largest frame, in bytes.
    """

    __slots__ = ("_heard_of", "_shake_waits_for_room", "_shaken")

    not_now = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
    reads_all = False  # a read of TLS brings one record at most

    def __init__(self, connection: socket.socket, limit: int) -> None:
        super().__init__(connection, limit)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._shaken = not isinstance(connection, ssl.SSLSocket)
        self._shake_waits_for_room = False
        # Who dials speaks first.
        self._heard_of = not (isinstance(connection, ssl.SSLSocket) and connection.server_side)

    @property
    def interest(self) -> int:
        """What a selector should look out for."""
        if self._shaken:
            return super().interest
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._shake_waits_for_room else 0)

    def shake_hands(self) -> bool:
        """Go on with the TLS handshake. True once it is done."""
        if not self._shaken:
            assert isinstance(self.socket, ssl.SSLSocket)
            try:
                if not self._heard_of:
                    # Below TLS, which cannot tell this end from one amid the handshake.
                    self._heard_of = bool(socket.socket.recv(self.socket, 1, socket.MSG_PEEK))
                    if not self._heard_of:
                        self.over = LOOKED_IN
                        return False
                self.socket.do_handshake()
            except self.not_now as reason:
                self._shake_waits_for_room = isinstance(reason, ssl.SSLWantWriteError)
            except (OSError, ValueError) as error:
                self.over = f"no TLS: {self.words(error)}"
            else:
                self._shaken = self.unread = True  # the first frame may have come along
        return self._shaken

    def words(self, error: Exception) -> str:
        """An error in words for a person."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError):
            return error.reason or str(error)
        return super().words(error)
