"""Read the budget of a run."""

from __future__ import annotations

from dataclasses import dataclass, fields

from core.errors import ConfigError, UnknownNameError
from core.remote.answer import Failure


@dataclass(frozen=True)
class Budget:
    """The limits of a run, with all its resumes: requests, tokens in and out, US dollars; None is no limit."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Return the budget written as `requests=1000,tokens=2e6,usd=5`; "" is no budget."""
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
    """The failure of a request that was not sent because it would exceed the budget."""

    def __init__(self, resource: str, spent: float, limit: float) -> None:
        super().__init__("budget", f"{resource} {spent:,.10g} of {limit:,.10g} spent")
