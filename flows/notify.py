"""Tells people that rows wait for review: one message, as an event of Prefect and as JSON to an address of the user's.

Nothing is sent unless it was asked for, and an address that does not answer is a warning, never a failed run. Nobody
waits: `flag` ends here, `publish` is a flow of its own, and between them lies the table of decisions.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from culpa.flows.result import Result
from culpa.tasks.summary import count_waiting

__all__ = ["Waiting", "post", "rows_waiting", "told"]

SECONDS = 5.0  # that the address may take


@dataclass(frozen=True)
class Waiting:
    """The rows of a data set that wait for people."""

    dataset: str
    run: str
    waiting: int
    must_see: int  # of these, rows that a publish would drop by the rule alone, or whose decision does not count
    store: str  # absolute

    def as_message(self) -> dict[str, Any]:
        """What is sent; `text` is a sentence, which chat services show."""
        opened = f"culpa review --store {self.store}"
        text = f"{self.waiting:,} rows of {self.dataset} wait for review, {self.must_see:,} must be seen: {opened}"
        return {
            **asdict(self),
            "open": opened,
            "publish": f"culpa publish {self.run} --store {self.store}",
            "text": text,
        }


def rows_waiting(result: Result) -> Waiting:
    """What waits after a run."""
    waiting, must_see = count_waiting(result.store, result.dataset)
    return Waiting(result.dataset, result.run_id, waiting, must_see, str(result.store.absolute()))


def told(result: Result, url: str | None) -> Result:
    """The result after its message went to the address, if there is one and rows wait; with a warning if it did not."""
    if url is None:
        return result
    waiting = rows_waiting(result)
    problem = post(url, waiting.as_message()) if waiting.waiting else None
    return result if problem is None else replace(result, warnings=(*result.warnings, problem))


def post(url: str, message: dict[str, Any]) -> str | None:
    """Send the message; gives what went wrong. The address is not repeated: it may hold a secret."""
    import httpx

    host = urlsplit(url).hostname
    try:
        answer = httpx.post(url, json={"event": "culpa.review.waiting", **message}, timeout=SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"nobody was told that rows wait: {host} did not answer ({type(error).__name__})"
    if answer.is_success:
        return None
    return f"nobody was told that rows wait: {host} answered {answer.status_code}"
