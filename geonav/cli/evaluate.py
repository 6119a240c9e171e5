"""``geonav evaluate``: how far the poses found are from the true ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from geonav.cli.engine_options import (
    EngineOption,
    RayAddressOption,
    ShardOption,
    WorkersOption,
    engine_section,
    shard_of,
)
from geonav.cli.evaluate_compare import compare, threshold_of, thresholds_of
from geonav.cli.evaluate_output import write_evaluation
from geonav.cli.evaluate_sweep import sweep
from geonav.cli.options import (
    DescriptorOption,
    DeviceOption,
    JsonOption,
    MatcherOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    TopKOption,
    setting,
)
from geonav.cli.progress import progress_bars
from geonav.cli.search_options import (
    CapturedAfterOption,
    CapturedBeforeOption,
    ExifGpsOption,
    GroupOption,
    HeadingOption,
    NearOption,
    ProviderOption,
    QueryAugmentationOption,
    RerankOption,
    UseMapOption,
    WithinOption,
)
from geonav.cli.search_output import write_recall
from geonav.cli.session import Session, open_database
from geonav.errors import UsageError

_RUN = "run"
RUNS_FOLDER = Path("runs")
# What a run that is scored anew still takes.
_RESCORES = {"run_dir", "threshold", "recall_within", "drop_leaks", "as_json"}


class _RunUnlessNamed(TyperGroup):
    """A group whose first command is meant where none is named, and whose help shows that one's options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own context
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [_RUN, *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401
        return ["[OPTIONS] [RUN_DIR]", "| COMMAND [ARGS]..."] if ctx.info_name == "evaluate" else ["COMMAND [ARGS]..."]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        run = self.commands[_RUN]
        run.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


app = typer.Typer(
    cls=_RunUnlessNamed,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Locate photos whose places are known and compare; or score a run anew, compare runs, sweep settings."
    " Without COMMAND it is 'run', whose options stand below.",
)

ConfOption = Annotated[
    Path | None,
    typer.Option(
        "--conf", metavar="FILE", help="configuration of this experiment [default: as --config]", show_default=False
    ),
]
ExpNameOption = Annotated[
    str | None,
    typer.Option("--exp-name", help="name of the experiment [default: that of the query set]", show_default=False),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        help="folder of the run [default: runs/NAME; with --retrieval-only nothing is written]",
        show_default=False,
    ),
]
DistractorsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--distractors",
        metavar="PATH",
        help="folder, database or table of photos from elsewhere, which should be refused; repeatable [default: none]",
        show_default=False,
    ),
]
ThresholdOption = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="METRES,DEGREES",
        help="count poses this near too; repeatable [default: the field's and LaMAR's alone]",
        show_default=False,
    ),
]
RecallWithinOption = Annotated[float | None, setting("search.recall_within_m", "--recall-within", metavar="METRES")]
RetrievalOnlyOption = Annotated[
    bool,
    typer.Option(
        "--retrieval-only", help="only search, nothing is matched or located [default: off]", show_default=False
    ),
]
DropLeaksOption = Annotated[
    bool,
    typer.Option(
        "--drop-leaks",
        help="score without queries that are references, or of the same drive or minute as one [default: off]",
        show_default=False,
    ),
]
QuerySetOption = Annotated[
    Path | None,
    typer.Option(
        "--query-set",
        metavar="PATH",
        help="database, or .csv or .geojson with path, lat, lng [, alt, azn]: the truth",
        show_default=False,
    ),
]
ReferenceSetOption = Annotated[
    Path | None,
    typer.Option("--reference-set", metavar="DIR", help="database to locate against", show_default=False),
]
RunArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[RUN_DIR]", help="score this run anew, locating nothing", show_default=False),
]


@app.command(_RUN)
def run(
    context: typer.Context,
    run_dir: RunArgument = None,
    query_set: QuerySetOption = None,
    reference_set: ReferenceSetOption = None,
    exp_name: ExpNameOption = None,
    conf: ConfOption = None,
    distractors: DistractorsOption = None,
    threshold: ThresholdOption = None,
    model: ModelOption = None,
    matcher: MatcherOption = None,
    descriptor: DescriptorOption = None,
    top_k: TopKOption = None,
    near: NearOption = None,
    within: WithinOption = None,
    captured_after: CapturedAfterOption = None,
    captured_before: CapturedBeforeOption = None,
    provider: ProviderOption = None,
    heading: HeadingOption = None,
    exif_gps: ExifGpsOption = None,
    use_map: UseMapOption = None,
    query_augmentation: QueryAugmentationOption = None,
    rerank: RerankOption = None,
    group: GroupOption = None,
    recall_within: RecallWithinOption = None,
    retrieval_only: RetrievalOnlyOption = False,
    drop_leaks: DropLeaksOption = False,
    seed: SeedOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
    folder: OutputOption = None,
    shard: ShardOption = None,
    engine: EngineOption = None,
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """Locate every photo of a query set and compare with its true pose; exit code 7 if none was located.

    Run it again after an interruption to go on. With RUN_DIR nothing is located: its scores are computed anew.
    --retrieval-only searches without matching or locating, and needs positions only.
    """
    session = Session.of(context)
    if run_dir is not None:
        _check_rescores(context, run_dir)
        from geonav.evaluation.experiment import rescore

        report = rescore(run_dir, within_m=recall_within, thresholds=thresholds_of(threshold), drop_leaks=drop_leaks)
        write_evaluation(report, as_json=as_json)
        return
    queries = _given(query_set, "--query-set")
    reference_set = _given(reference_set, "--reference-set")
    if conf is not None:
        session = Session(conf, session.verbose, session.quiet)
    search = {
        "near": near, "within_m": within, "captured_after": captured_after, "captured_before": captured_before,
        "provider": provider, "heading": heading, "query_augmentation": query_augmentation,
        "rerank": rerank, "group": group, "recall_within_m": recall_within,
    }  # fmt: skip
    overrides = {
        "database": reference_set,
        "seed": seed,
        "device": device,
        "precision": precision,
        "localize": {"top_k": top_k, "exif_gps": exif_gps, "use_map": use_map},
        "local": {"model": model, "matcher": matcher},
        "global": {"descriptor": descriptor},
        "search": search,
        "engine": engine_section(engine, ray_address, workers),
    }
    config = session.config(overrides)
    references = open_database(config)
    if retrieval_only:
        if distractors or threshold or drop_leaks or shard:
            msg = "--retrieval-only counts recall alone: leave out --distractors, --threshold, --drop-leaks and --shard"
            raise UsageError(msg)
        if queries.is_file():
            msg = f"--retrieval-only takes a database, which {queries} is not: leave it out, recall is counted anyway"
            raise UsageError(msg)
        from geonav.pipeline.recall import evaluate_retrieval

        with progress_bars(session) as on_progress:
            recall = evaluate_retrieval(
                queries, references, config, name=exp_name, output=folder, on_progress=on_progress
            )
        write_recall(recall, as_json=as_json)
        return
    from geonav.data.names import checked_uid
    from geonav.evaluation.experiment import Experiment, evaluate

    near_enough, command = thresholds_of(threshold), tuple(sys.argv[1:])
    experiment = Experiment(exp_name, tuple(distractors or ()), near_enough, command, drop_leaks, shard_of(shard))
    if folder is None:
        whole = queries.resolve()
        folder = RUNS_FOLDER / checked_uid(exp_name or (whole.name if whole.is_dir() else whole.stem))
    with progress_bars(session) as on_progress:
        report = evaluate(queries, references, config, experiment=experiment, output=folder, on_progress=on_progress)
    write_evaluation(report, as_json=as_json)


def _given(path: Path | None, option: str) -> Path:
    if path is None:
        msg = f"Missing option '{option}' (see 'geonav evaluate --help')"
        raise UsageError(msg)
    return path


def _check_rescores(context: typer.Context, run_dir: Path) -> None:
    """Refuse what a run that is scored anew cannot follow any more.

    Raises:
        UsageError: such an option was given.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name not in _RESCORES and source is not None and source.name == "COMMANDLINE":
            msg = f"{run_dir} is scored anew, nothing is located: leave out {parameter.opts[0]}"
            raise UsageError(msg)


app.command("compare")(compare)
app.command("sweep")(sweep)
app.command("threshold")(threshold_of)
