"""Costs of a million answers as people read them."""


def cost_text(
    core_seconds: float, device_seconds: float = 0.0, price: float | None = None, currency: str = ""
) -> str:
    """Return the price of a million answers, if it is known, and the time that they take.

    A time on an accelerator counts alone: its price includes the machine.
    """
    time = (
        f"{_number(device_seconds)} device seconds"
        if device_seconds
        else f"{_number(core_seconds)} core seconds"
    )
    return time if price is None else f"{f'{price:.3g} {currency}'.strip()} ({time})"


def _number(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"
