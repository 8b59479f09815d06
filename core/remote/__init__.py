"""Send requests to servers over HTTP, concurrently, within a rate limit and a budget, paying for none twice.

A work unit opens a `Session`, which knows the answers on disk and the spending of the whole run. The session gives a
`Remote` for each server, and `Session.in_order` works on many rows concurrently:

    with Session(job) as session:
        server = session.remote(make_client("cohere", url, account, config), account)
        for result in session.in_order(lambda row: server.ask(request_for(row)), rows):
            ...

`Remote.ask` returns an `Answer`. It raises `Failure` if the request has no answer after all retries, and `BudgetSpent`
if the budget does not allow the request. A `UserError`, such as a wrong key or a lost server, stops the whole run.
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
