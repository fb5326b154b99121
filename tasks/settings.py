"""Everything a user can choose, as one validated object for the command line, the flow's form and Python.

A field's description is the help of its option. `answer_settings` names the fields that change the answer: they are
part of a run's identity. The others say where things lie, how much memory they take, and what to refuse.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from culpa.influence.proxies import proxy_names
from culpa.tasks.brought import code_of
from culpa.tasks.delta import delta_table
from culpa.tasks.errors import BadInput
from culpa.tasks.locations import Location, is_postgres, is_url, usable
from culpa.tasks.reference_sets import JUDGING, reference_sets

Task = Literal["auto", "classification", "regression"]
Gate = Literal["better", "not-worse", "off"]

_PLACES = {"source", "table", "reference", "store", "out", "chunk_rows", "memory_limit", "cache", "report", "judge_on"}
_PLACES |= {"notify", "onto", "source_column", "partition_by", "keep_data"}
_GUARDS = {"max_drop", "max_drop_per_class", "require_review"}  # they refuse to publish an answer, and do not change it
_PATTERN = re.compile(r"[*?\[\]{}]+")


@runtime_checkable
class ArrowTable(Protocol):
    """A table in memory that Arrow can read: pandas, pyarrow, polars and DuckDB all hand it out."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Source = str | Path | ArrowTable


class Options(BaseModel):
    """What can be chosen beside the table itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    label: str = Field(min_length=1, description="the column with the labels: classes, or a number to predict")
    key: str | None = Field(
        default=None, description="the column that names a row; without one, a hash of its features does"
    )
    reference: tuple[str, ...] = Field(
        default=(),
        description="a file of rows whose labels are trusted; they judge, and are never dropped. Several sets as "
        "NAME=FILE: the first judges, on the others influence is measured too",
    )
    table: str | None = Field(default=None, description="the table or the query to read, where SOURCE is a database")
    store: Path = Field(default=Path("culpa.duckdb"), description="the DuckDB file with every score, tag and decision")
    out: str | Path | None = Field(
        default=None,
        description="the cleaned file, FOLDER.delta, s3://... or postgresql://HOST/DB#TABLE; default: "
        "SOURCE.cleaned.parquet beside the source",
    )
    partition_by: tuple[str, ...] = Field(
        default=(),
        description="a column whose values divide the cleaned data: --out is a folder of Parquet then, Hive's layout; "
        "can be given more than once",
    )
    dataset: str | None = Field(
        default=None, min_length=1, description="its name in the store; default: the file's name"
    )
    onto: str | None = Field(
        default=None,
        min_length=1,
        description="a data set of the store that the input is a batch of: only its new and changed rows are scored, "
        "by the accepted ones so far and themselves; one that is not there yet begins with this input",
    )
    source_column: str | None = Field(
        default=None, description="the column that says which source a row of a batch comes from: drift is told by it"
    )
    task: Task = Field(default="auto", description="what the label is; auto: a float of many values is a regression")
    proxy: str = Field(
        default="auto",
        description="the model that judges: auto (linear, forest and neighbors together), one of these, text, or your "
        "own as MODULE:FACTORY",
    )
    method: str | None = Field(
        default=None, description="how a network's rows are scored, one of `culpa methods`; default: the proxy's own"
    )
    layers: tuple[str, ...] = Field(
        default=(), description="a layer of the network whose gradients count alone; can be given more than once"
    )
    ignore: tuple[str, ...] = Field(
        default=(), description="a column that is not a feature; can be given more than once"
    )
    numeric: tuple[str, ...] = Field(default=(), description="a column to read as a number, whatever it looks like")
    categorical: tuple[str, ...] = Field(default=(), description="a column to read as a category")
    text: tuple[str, ...] = Field(default=(), description="a column to read as text")
    timestamp: tuple[str, ...] = Field(default=(), description="a column to read as a point in time")
    seed: int = Field(default=0, ge=0, lt=2**32, description="the seed of everything random: same seed, same answer")
    rounds: int = Field(default=3, ge=0, le=100, description="at most so many rounds of removing, refitting, rescoring")
    folds: int | None = Field(
        default=None, ge=2, le=100, description="folds that take turns as reference where no rows are trusted"
    )
    max_drop: float = Field(default=0.2, ge=0, le=1, description="refuse to publish if a larger share would go")
    max_drop_per_class: float = Field(default=0.5, ge=0, le=1, description="the same for every single class")
    require_review: bool = Field(
        default=False, description="refuse to publish while rows have to be seen by a person: must_see in review_queue"
    )
    false_discovery_rate: float = Field(
        default=0.1, gt=0, lt=1, description="share of false alarms allowed among the rows called harmful"
    )
    memorization_threshold: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="memorization from which a row counts as memorized; default: the run's own",
    )
    probability_wrong_threshold: float = Field(
        default=0.5, ge=0, le=1, description="probability of a wrong label from which a label counts as contradicted"
    )
    gate: Gate = Field(
        default="not-worse",
        description="what a cleaning must be shown to be before rows are dropped: better, not-worse, or off",
    )
    gate_margin: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="rise of the loss that still counts as not worse, as a share of the loss of guessing from the "
        "labels' frequencies alone",
    )
    judge: str | None = Field(
        default=None,
        description="your downstream model as MODULE:FACTORY, for the gate to train; default: the proxy judges",
    )
    judge_on: str | Path | None = Field(
        default=None, description="a file of rows for the gate alone to judge on; default: half of the reference rows"
    )
    seeds: int = Field(default=5, ge=2, le=100, description="trainings of each side that the gate compares")
    calibrate: bool = Field(
        default=True, description="plant wrong labels, score again, and say how many of the flagged rows are wrong"
    )
    faithfulness: bool = Field(
        default=True, description="leave rows out, train again, and say how well influence foretold the effect"
    )
    notify: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]",
        description="an http(s) address that is told, by a POST of JSON, when rows wait for review",
    )
    report: bool = Field(default=True, description="write a page about the run into the folder STORE.reports")
    weights: bool = Field(
        default=False, description="write a weight in [0, 1] for each cleaned row into a file beside the cleaned one"
    )
    cache: bool = Field(
        default=True, description="keep a network's trainings beside the store, and take them from there next time"
    )
    keep_data: bool = Field(
        default=True,
        description="keep the rows' columns in the store. Without, it holds only ids, hashes, labels and scores; a "
        "later publish reads the source again, which must not have changed",
    )
    rule: Path | None = Field(default=None, description="your own tags.sql instead of the rule that culpa ships")
    chunk_rows: int = Field(
        default=65_536, ge=1, description="rows worked on at a time: bounds the memory, not the answer"
    )
    memory_limit: str | None = Field(
        default=None, pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$", description="DuckDB's memory limit, such as 4GB"
    )

    @field_validator("notify")
    @classmethod
    def _usable_address(cls, value: str | None) -> str | None:
        if value is not None and not urlsplit(value).hostname:  # which also refuses what is no address at all
            raise ValueError("an address that names no host")
        return value

    @field_validator("proxy")
    @classmethod
    def _known_proxy(cls, value: str) -> str:
        proxy_names(value)
        return value

    @field_validator("out", "judge_on", mode="before")
    @classmethod
    def _as_locations(cls, value: object) -> object:
        return usable(value)

    @field_validator("reference", mode="before")
    @classmethod
    def _as_sets(cls, value: object) -> object:
        """One file, several, or names and files, as the command line has them."""
        if value is None:
            return ()
        if isinstance(value, str | Path):
            return (str(value),)
        if isinstance(value, Mapping):
            return tuple(f"{name}={path}" for name, path in value.items())
        return tuple(map(str, value)) if isinstance(value, Sequence) else value

    @property
    def references(self) -> dict[str, Location]:
        """The sets of reference rows, name -> file; the first scores, and the one called `judging` is the gate's."""
        sets = reference_sets(self.reference)
        return sets if self.judge_on is None else {**sets, JUDGING: self.judge_on}

    @property
    def halves_reference(self) -> bool:
        """Whether half of the first set is put aside for the gate."""
        return self.gate != "off" and self.judge_on is None

    @model_validator(mode="after")
    def _one_data_set(self) -> Self:
        if None not in (self.onto, self.dataset) and self.onto != self.dataset:
            raise ValueError(
                f"the input is a batch of {self.onto!r} (onto) and the data set {self.dataset!r}; name one"
            )
        return self

    @model_validator(mode="after")
    def _batches_keep_their_data(self) -> Self:
        if self.onto is not None and not self.keep_data:
            raise ValueError(
                f"the next batch of {self.onto!r} is judged beside the rows of this one, whose data would not be kept: "
                "leave --no-data or --onto away"
            )
        return self

    @model_validator(mode="after")
    def _each_set_once(self) -> Self:
        if JUDGING in reference_sets(self.reference):
            raise ValueError(f"a set of reference rows cannot be called {JUDGING!r}: name the gate's file by judge_on")
        return self

    @model_validator(mode="after")
    def _one_role_a_column(self) -> Self:
        roles = {"label": (self.label,), "key": (self.key,) if self.key else (), "ignore": self.ignore}
        roles |= {role: getattr(self, role) for role in ("numeric", "categorical", "text", "timestamp")}
        seen: dict[str, str] = {}
        for role, columns in roles.items():
            for column in columns:
                if seen.setdefault(column, role) != role:
                    raise ValueError(f"column {column!r} is named as {seen[column]} and as {role}; name it once")
        return self


class Settings(Options):
    """Everything that one run was asked for."""

    source: Source = Field(
        repr=False,
        description="a Parquet, CSV, TSV or JSON lines file, a glob, a folder of Parquet or Delta Lake, a DuckDB file "
        "with --table, an s3:// or https:// URL of these, postgresql://HOST/DB with --table",
    )

    @field_validator("source", mode="before")
    @classmethod
    def _without_secrets(cls, value: object) -> object:
        """A URL is checked; a path stays as it was given."""
        return usable(value) if is_url(value) else value

    @property
    def source_name(self) -> str:
        """The source as a person would name it: a path, or the kind of table in memory."""
        return str(self.source) if isinstance(self.source, str | Path) else f"<{type(self.source).__name__}>"

    @property
    def dataset_name(self) -> str:
        """The name in the store: the one given, else the source's stem in letters, digits and underscores."""
        name = self.table if is_postgres(self.source) and self.table and " " not in self.table else _stem(self.source)
        return self.onto or self.dataset or re.sub(r"\W+", "_", name).strip("_") or "table"

    @property
    def out_path(self) -> Location:
        """The place given, else SOURCE.cleaned.parquet beside the source; BadInput beside a pattern or a URL."""
        if self.out is not None:
            return self.out
        if is_url(self.source):
            raise BadInput(f"no place to write to follows from the source {self.source}: name one with --out")
        if isinstance(self.source, str | Path) and _PATTERN.search(str(self.source)):
            raise BadInput(
                f"name the cleaned file with --out: beside {self.source} it could be read as input next time"
            )
        folder = Path(self.source).parent if isinstance(self.source, str | Path) else Path()
        return folder / f"{_stem(self.source)}.cleaned.parquet"

    def answer_settings(self) -> dict[str, Any]:
        """What changes the answer beside the rows themselves, ready for JSON and for the run's fingerprint."""
        answer = self.model_dump(mode="json", exclude=_PLACES | _GUARDS | {"rule"})
        answer["rule"] = None if self.rule is None else sha256(_read(self.rule)).hexdigest()
        answer["dataset"] = self.dataset_name
        answer["proxy_code"] = code_of(self.proxy)
        answer["halved"] = self.halves_reference
        answer["judge_code"] = None if self.judge is None else code_of(self.judge)
        return answer if self.keep_data else {**answer, "keep_data": False}

    def kept_settings(self) -> dict[str, Any]:
        """What the store remembers of a run: its answer settings; where it keeps no data, also where these are."""
        places = {"table", "reference", "judge_on"} if not self.keep_data else set()
        return {**self.answer_settings(), **self.model_dump(mode="json", include=places)}


def read_settings(source: Source, **options: object) -> Settings:
    """Settings from what a user gave, or BadInput with one line for each thing that is wrong."""
    try:
        return Settings.model_validate({"source": source, **options})
    except ValidationError as error:
        raise BadInput("; ".join(dict.fromkeys(_complaint(dict(one)) for one in error.errors()))) from None


def _complaint(error: dict[str, Any]) -> str:
    where = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        near = get_close_matches(where, Settings.model_fields, 3)
        return f"there is no setting {where!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")
    if error["type"] == "missing":
        return f"{where} is missing: give {Settings.model_fields[where].description}"
    if error["type"] == "location":
        return f"{where}: {error['msg']}"
    if where == "source":
        return f"source must be a path or a table (pandas, pyarrow, polars), got {type(error['input']).__name__}"
    if error["type"] == "string_pattern_mismatch":
        return f"{where} must be {Settings.model_fields[where].description}, got {error['input']!r}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}, got {error['input']!r}" if where else message


def _stem(source: Source) -> str:
    """`data/train.csv.gz` -> `train`; `data/part-*.parquet` -> `part`; `data/*.csv` -> `data`; in memory -> `table`."""
    if not isinstance(source, str | Path):
        return "table"
    if is_url(source):
        return (is_postgres(source) and urlsplit(source).fragment) or _stem(Path(urlsplit(source).path.lstrip("/")))
    named = delta_table(source)
    path = Path(source) if named is None else named[0]  # without the version
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    stem = _PATTERN.sub("_", Path(name).stem).strip("_-. ")
    return stem or path.parent.name or "table"


def _read(rule: Path) -> bytes:
    try:
        return rule.read_bytes()
    except OSError as error:
        raise BadInput(
            f"cannot read the rule {rule}: {error.strerror}; name a .sql file, or leave --rule away"
        ) from error
