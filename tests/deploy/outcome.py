"""How a check says that it did not pass."""


class Failed(Exception):
    """What deploy/ promises is not so."""


class Skipped(Exception):
    """What the check needs is not here."""


def expect(condition, reason):
    if not condition:
        raise Failed(reason)
