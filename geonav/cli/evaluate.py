"""``geonav evaluate``: how far the poses found are from the true ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geonav.cli import output
from geonav.cli.options import (
    DescriptorOption,
    DeviceOption,
    JsonOption,
    MatcherOption,
    ModelOption,
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
    WithinOption,
)
from geonav.cli.search_output import write_recall
from geonav.cli.session import Session, open_database

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
        "--output", metavar="DIR", help="write results and report here [default: nothing written]", show_default=False
    ),
]
RecallWithinOption = Annotated[float | None, setting("search.recall_within_m", "--recall-within", metavar="METRES")]
RetrievalOnlyOption = Annotated[
    bool,
    typer.Option(
        "--retrieval-only", help="only search, nothing is matched or located [default: off]", show_default=False
    ),
]


def evaluate(
    context: typer.Context,
    query_set: Annotated[
        Path, typer.Option("--query-set", metavar="DIR", help="database whose poses are the truth", show_default=False)
    ],
    reference_set: Annotated[
        Path, typer.Option("--reference-set", metavar="DIR", help="database to locate against", show_default=False)
    ],
    exp_name: ExpNameOption = None,
    conf: ConfOption = None,
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
    query_augmentation: QueryAugmentationOption = None,
    rerank: RerankOption = None,
    group: GroupOption = None,
    recall_within: RecallWithinOption = None,
    retrieval_only: RetrievalOnlyOption = False,
    seed: SeedOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
    folder: OutputOption = None,
) -> None:
    """Locate every photo of a query set and compare with its true pose; exit code 7 if none was located.

    --retrieval-only searches without matching or locating, and needs positions only.
    """
    session = Session.of(context)
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
        "localize": {"top_k": top_k, "exif_gps": exif_gps},
        "local": {"model": model, "matcher": matcher},
        "global": {"descriptor": descriptor},
        "search": search,
    }
    config = session.config(overrides)
    references = open_database(config)
    if retrieval_only:
        from geonav.pipeline.recall import evaluate_retrieval

        with progress_bars(session) as on_progress:
            recall = evaluate_retrieval(
                query_set, references, config, name=exp_name, output=folder, on_progress=on_progress
            )
        write_recall(recall, as_json=as_json)
        return
    from geonav.pipeline.evaluate import evaluate as run

    with progress_bars(session) as on_progress:
        report = run(query_set, references, config, name=exp_name, output=folder, on_progress=on_progress)
    output.write_evaluation(report, as_json=as_json)
