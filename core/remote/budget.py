"""What a run may spend."""

from __future__ import annotations

from dataclasses import dataclass, fields

from core.errors import ConfigError, UnknownNameError
from core.remote.answer import Failure


@dataclass(frozen=True)
class Budget:
    """The most that a run may spend, with all its resumes: requests, tokens in and out, US dollars; None: no end."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The budget that `requests=1000,tokens=2e6,usd=5` means; "" means none."""
        values: dict[str, float] = {}
        known = [field.name for field in fields(cls)]
        for item in filter(None, (part.strip() for part in text.split(","))):
            name, equals, number = (word.strip() for word in item.partition("="))
            if name not in known:
                raise UnknownNameError("budget", name, known, "expected such as requests=1000,tokens=2e6,usd=5")
            try:
                values[name] = float(number)
            except ValueError:
                raise ConfigError(f"--budget {item!r}: expected a number, such as {name}=1000") from None
            if not 0 <= values[name] < float("inf") or not equals:
                raise ConfigError(f"--budget {item!r}: expected a number of 0 or more")
        return cls(
            requests=int(values["requests"]) if "requests" in values else None,
            tokens=int(values["tokens"]) if "tokens" in values else None,
            usd=values.get("usd"),
        )


class BudgetSpent(Failure):
    """This request would go beyond the budget, and was not sent."""

    def __init__(self, what: str, spent: float, limit: float) -> None:
        super().__init__("budget", f"{what} {spent:,.10g} of {limit:,.10g} spent")
