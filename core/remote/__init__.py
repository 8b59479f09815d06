"""Servers asked over HTTP: many requests at once, within a rate limit and a budget, none paid for twice.

A piece of work opens a `Session`, which knows the answers on disk and what the whole run has spent; of it, it gets a
`Remote` for each server, and hands rows to `Session.in_order`, which works on many of them at once:

    with Session(job) as session:
        server = session.remote(make_client("cohere", url, account, config), account)
        for result in session.in_order(lambda row: server.ask(request_for(row)), rows):
            ...

`Remote.ask` gives an `Answer`, or raises a `Failure` where this request has none after all retries; a `BudgetSpent`
where it was not sent for want of money. What stops the whole run is a `UserError`: a wrong key, a server that is gone.
"""

from core.remote.answer import Answer, Failure, Request
from core.remote.budget import Budget, BudgetSpent
from core.remote.clients import Client, make_client
from core.remote.config import Account, RemoteConfig
from core.remote.session import Remote, RemoteJob, Session
from core.remote.usage_ledger import Spending

__all__ = [
    "Account",
    "Answer",
    "Budget",
    "BudgetSpent",
    "Client",
    "Failure",
    "Remote",
    "RemoteConfig",
    "RemoteJob",
    "Request",
    "Session",
    "Spending",
    "make_client",
]
