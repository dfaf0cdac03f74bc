"""What can go wrong in the shop, as its services name it."""


class PeerError(Exception):
    """Another service did not do its part; `status` is what our own caller is told."""

    def __init__(self, peer: str, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.peer = peer
        self.status = status


class CardProcessorError(Exception):
    """The card processor behind payments did not take the charge."""
