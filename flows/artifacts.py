"""What a flow leaves in Prefect's interface: the run's summary in markdown and a table of its most suspicious rows."""

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from culpa.flows.result import Result
from culpa.tasks.summary import most_suspicious, shown_effects


def leave_artifacts(result: Result) -> None:
    """Write both, and a link to the report, under keys of the data set, so that Prefect shows their history."""
    name = "".join(letter if letter.isalnum() else "-" for letter in result.dataset.lower()).strip("-")
    rows = most_suspicious(result.store, result.run_id)
    create_table_artifact(
        rows, key=f"culpa-flagged-{name}", description=f"the most suspicious rows of run {result.run_id}"
    )
    create_markdown_artifact(as_markdown(result), key=f"culpa-summary-{name}", description=f"run {result.run_id}")
    if result.report is not None:
        page = result.report.absolute().as_uri()
        create_link_artifact(page, key=f"culpa-report-{name}", description=f"the report of run {result.run_id}")


def as_markdown(result: Result) -> str:
    """The result as a page."""
    lines = [
        f"# {result.dataset}: run {result.run_id}",
        "",
        f"{result.rows:,} rows, {result.unlabelled:,} without a label.",
    ]
    if result.unchanged:
        lines += ["", "Nothing changed since the last time."]
    if result.clean is not None:
        lines += ["", f"Kept {result.kept:,}, dropped {result.dropped:,}, relabelled {result.relabelled:,}."]
    if result.because is not None:
        lines += ["", f"**Gate: {result.verdict}.** {result.because}", *_effects(result)]
    lines += ["", "| tag | rows |", "|---|---|", *(f"| {tag} | {count:,} |" for tag, count in result.tags.items())]
    lines += [
        "",
        "| step | seconds |",
        "|---|---|",
        *(f"| {step} | {took:.1f} |" for step, took in result.seconds.items()),
    ]
    places = (
        ("clean", result.clean),
        ("quarantine", result.quarantine),
        ("weights", result.weights),
        ("manifest", result.manifest),
        ("report", result.report),
        ("store", result.store),
    )
    lines += ["", *(f"* {what}: `{place}`" for what, place in places if place is not None)]
    lines += ["", *(f"* warning: {warning}" for warning in result.warnings)]
    return "\n".join(lines)


def _effects(result: Result) -> list[str]:
    """What dropping the rows did to a model trained again, as a table."""
    found = shown_effects(result.store, result.run_id)
    lines = [
        f"| {one['metric']} | {one['second']:.4g} | {one['first']:.4g} | {one['low']:+.3g} to {one['high']:+.3g} |"
        for one in found
    ]
    return ["", "| metric | all rows | cleaned | better by, 95 % |", "|---|---|---|---|", *lines] if found else []
