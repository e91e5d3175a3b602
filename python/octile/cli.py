"""The `octile` command: arguments in, the modules beside it do the work, tables or JSON out.

In:  a command line.  Out: text or JSON; exit status 0, 1 for what the user can mend, 2 for wrong usage, 130 for Ctrl-C.
Not here: anything that computes.
"""

import contextlib
import json
import pathlib
import sys
import tempfile

import click

from octile import __version__, tables
from octile.errors import UserError

SHAPE_HELP = "Shape of an input, name=1x3x640x640; repeatable. A name given again begins another set of shapes."


def model_options(function):
    """What every command that loads a model takes."""
    for option in (
        click.option("--shape", "shapes", multiple=True, metavar="NAME=DIMS", help=SHAPE_HELP),
        click.option("--input", "files", multiple=True, metavar="FILE.npz", help="Input arrays by name; repeatable."),
        click.option(
            "--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads of ONNX Runtime."
        ),
    ):
        function = option(function)
    return function


def plugin_options(function):
    """What every command that runs the provider takes."""
    for option in (
        click.option("--pack", metavar="FILE", help="Tuned kernels to add to the default pack."),
        click.option(
            "--target", metavar="NAME", help="Highest instruction set to use, such as avx2; default: the CPU's."
        ),
        click.option(
            "--when-slower",
            type=click.Choice(["keep_exact", "leave", "keep"]),
            help="What to do with regions ONNX Runtime would run faster; default: keep_exact.",
        ),
    ):
        function = option(function)
    return function


def plugin_settings(pack, target, when_slower=None):
    if pack and not pathlib.Path(pack).is_file():
        raise UserError(f"{pack}: no such pack", "make one with octile pack")
    return {"pack": pack, "target": target, "when_slower": when_slower}


def examples(text):
    """An epilog click does not re-wrap."""
    return "\b\nExamples:\n" + "\n".join(f"  {line.strip()}" for line in text.strip().splitlines())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli():
    """Int8 kernels for ONNX Runtime: tune, pack, compile, run, bench, explain.

    Keep ONNX Runtime, bring a quantized model, tune once per device, ship one plugin library and one pack of kernels.
    Models run untuned too: the plugin carries kernels for any shape.
    """


@cli.command(
    epilog=examples("""
    octile tune model.int8.onnx --budget 10m
    octile tune det.onnx --shape x=1x3x640x640 --shape x=1x3x736x992 --log det.jsonl
    octile tune --ops shapes.txt --target avx2 --budget 120s
    octile tune model.onnx --dry-run
    """)
)
@click.argument("models", nargs=-1, metavar="[MODEL.onnx]...")
@model_options
@click.option("--ops", "ops_files", multiple=True, metavar="FILE", help="Op lines to tune besides models; repeatable.")
@click.option("--save-ops", metavar="FILE", help="Write the workloads as op lines there and tune nothing.")
@click.option(
    "--target", default="host", show_default=True, help="What to tune for: host, avx512vnni, avxvnni, avx2, x86-64-v2."
)
@click.option("--budget", default="10m", show_default=True, help="Time to spend: 90s, 10m, 1h.")
@click.option("--log", default="tuning.jsonl", show_default=True, help="Records are appended here; the search resumes.")
@click.option("--seed", default=0, show_default=True, help="Seed of the search.")
@click.option("--dry-run", is_flag=True, help="Print the workloads and the size of each search space; measure nothing.")
def tune(models, shapes, files, threads, ops_files, save_ops, target, budget, log, seed, dry_run):
    """Search the best kernels for the convolutions and matmuls of MODELS on this machine.

    Every measurement is written to the log at once: Ctrl-C stops at any moment and loses nothing, the same command
    goes on from there.
    """
    from octile import tune as tuning

    if not models and not ops_files:
        raise UserError("nothing to tune", "give a MODEL.onnx or --ops FILE")
    seconds = tuning.parse_budget(budget)
    lines = [line for path in ops_files for line in tuning.read_ops(path)]
    for model in models:
        found = tuning.extract(model, shapes, files, threads)
        click.echo(f"{model}: {len(found)} workloads", err=True)
        lines += found
    if save_ops:
        tuning.write_ops(pathlib.Path(save_ops), lines)
        return
    with tempfile.TemporaryDirectory(prefix="octile-tune-") as folder:
        ops_file = pathlib.Path(folder) / "workloads.txt"
        tuning.write_ops(ops_file, lines)
        if dry_run:
            click.echo(tuning.dry_run(ops_file, target), nl=False)
            return
        try:
            last = tuning.search(ops_file, target, seconds, log, ["--seed", seed])
        except KeyboardInterrupt:
            click.echo(f"stopped; everything measured is in {log}, the same command goes on from there", err=True)
            sys.exit(130)
    tables.tuned(last, log)


@cli.command(
    epilog=examples("""
    octile pack --log tuning.jsonl -o model.octpack
    octile pack --log a.jsonl --log b.jsonl -o both.octpack
    """)
)
@click.option("--log", "logs", multiple=True, required=True, metavar="FILE", help="A tuning log; repeatable.")
@click.option("-o", "--output", required=True, metavar="FILE", help="The pack to write.")
@click.option("--targets", metavar="LIST", help="Only these targets, comma separated; default: all in the logs.")
def pack(logs, output, targets):
    """Build the winners of tuning logs into one pack."""
    from octile import programs

    for log in logs:
        if not pathlib.Path(log).is_file():
            raise UserError(f"{log}: no such tuning log", "octile tune writes one")
    arguments = ["build"]
    for log in logs:
        arguments += ["--log", log]
    if targets:
        arguments += ["--targets", targets]
    click.echo(programs.run_visibly("octile-pack", [*arguments, "-o", output]), nl=False)


@cli.command(
    "compile",
    epilog=examples("""
    octile compile model.int8.onnx -o model.octplan
    octile compile det.onnx -o det.octplan --shape x=1x3x640x640 --shape x=1x3x736x992
    """),
)
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="FILE", help="The plan to write.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=DIMS", help=SHAPE_HELP + " Planned for at load.")
def compile_command(model, shapes, output):
    """Write MODEL as one plan file, which runs without ONNX Runtime (octile run, the C API).

    A plan is one region: it works for models whose every node Octile takes. It holds no kernels, so one file serves
    every CPU and every pack, at any input shape; --shape only says which to be ready for.
    """
    from octile import plans, programs

    plans.compile_model(model, shapes, output)
    facts = json.loads(programs.run("octile-plan", ["inspect", output, "--json"]))
    click.echo(f"{output}: {len(facts['nodes'])} nodes, {facts['bytes']} bytes; next: octile run {output}")


@cli.command(
    epilog=examples("""
    octile inspect model.octpack
    octile inspect model.octplan --json
    """)
)
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def inspect(file, as_json):
    """Verify FILE, a pack or a plan, and list what is in it."""
    from octile import plans, programs

    program = "octile-plan" if plans.is_plan(file) else "octile-pack"
    click.echo(programs.run(program, ["inspect", file, *(["--json"] if as_json else [])]), nl=False)


@cli.command(
    epilog=examples("""
    octile run model.onnx
    octile run model.onnx --input picture.npz --output answer.npz
    octile run det.onnx --shape x=1x3x640x640 --provider cpu
    octile run model.octplan
    """)
)
@click.argument("model")
@model_options
@plugin_options
@click.option("--provider", type=click.Choice(["octile", "cpu"]), default="octile", show_default=True)
@click.option("--output", metavar="FILE.npz", help="Write the outputs there.")
@click.option("--seed", default=0, show_default=True, help="Seed of random inputs.")
def run(model, shapes, files, threads, pack, target, when_slower, provider, output, seed):
    """Run MODEL (ONNX, or a plan) once per set of inputs (random ones unless --input) and describe the outputs."""
    from octile import explain as explaining
    from octile import inputs, plans, sessions

    settings = plugin_settings(pack, target, when_slower)
    if plans.is_plan(model):
        plan = plans.Plan(model, threads, pack, target, log=lambda line: click.echo(f"octile: {line}", err=True))
        declarations, run_once = plan.inputs, plan.run
    else:
        if provider == "octile":
            _, session = explaining.open_explained(model, threads, settings)
        else:
            session = sessions.open_session(model, provider, threads)
        declarations, run_once = session.get_inputs(), lambda feed: sessions.run(model, session, feed)
    if not files:
        click.echo(f"random inputs, seed {seed}", err=True)
    for feed in inputs.feeds(model, declarations, shapes, files, seed):
        answer = run_once(feed)
        click.echo(tables.outputs(feed, answer))
    if output:
        inputs.save(output, answer)


@cli.command(
    epilog=examples("""
    octile bench model.int8.onnx
    octile bench rec.onnx --shape x=1x3x48x320 --pack rec.octpack --threads 2
    octile bench model.onnx --json
    octile bench model.onnx --layers --plot roofline.svg
    """)
)
@click.argument("models", nargs=-1, required=True, metavar="MODEL.onnx...")
@model_options
@plugin_options
@click.option("--repeats", default=25, show_default=True, type=click.IntRange(1), help="Timed runs of each provider.")
@click.option("--seconds", default=10.0, show_default=True, help="Stop repeating after this long.")
@click.option("--seed", default=0, show_default=True, help="Seed of random inputs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model and set of shapes, a line each.")
@click.option("--layers", is_flag=True, help="Times per layer, against ORT's and against this CPU's peaks.")
@click.option("--plot", metavar="FILE", help="With --layers: draw the roofline there, .svg or .png.")
def bench(models, shapes, files, threads, pack, target, when_slower, repeats, seconds, seed, as_json, layers, plot):
    """Time MODELS through Octile and through ORT's CPU provider, taking turns, and compare the answers."""
    from octile import inputs, measure, sessions

    if plot and not layers:
        raise UserError("--plot draws layers", "add --layers")
    records, settings = [], plugin_settings(pack, target, when_slower)
    for model in models:
        declarations = sessions.open_session(model, "cpu", threads).get_inputs()
        feeds = inputs.feeds(model, declarations, shapes, files, seed)
        if layers:
            bench_layers(model, feeds, threads, repeats, seconds, settings, as_json, plot)
            continue
        for record in measure.compare(model, feeds, threads, repeats, seconds, settings):
            records.append(record)
            if as_json:
                click.echo(json.dumps(record))
    if records and not as_json:
        tables.benched(records)


def bench_layers(model, feeds, threads, repeats, seconds, settings, as_json, plot):
    """One report per feed; the picture is of the last."""
    from octile import layers, roofline

    for feed in feeds:
        report = layers.report(model, feed, threads, repeats, seconds, settings)
        if as_json:
            click.echo(json.dumps(report))
        else:
            tables.layered(report)
        if plot:
            roofline.draw(report, plot)


@cli.command(
    epilog=examples("""
    octile explain model.onnx
    octile explain det.onnx --shape x=1x3x640x640 --json
    """)
)
@click.argument("model")
@model_options
@plugin_options
@click.option("--measure", metavar="MS", type=click.IntRange(0), help="Time each region so long before it is judged.")
@click.option("--all", "show_all", is_flag=True, help="List every node left too, not only their reasons and counts.")
@click.option("--json", "as_json", is_flag=True, help="Everything the plugin reported, as JSON.")
def explain(model, shapes, files, threads, pack, target, when_slower, show_all, measure, as_json):
    """Say which nodes of MODEL the provider takes, with which kernels, and why it leaves the others.

    The model is loaded and run once: these are the decisions the plugin really made, for these shapes.
    """
    from octile import explain as explaining
    from octile import inputs

    settings = {**plugin_settings(pack, target, when_slower), "measure": measure}
    decisions = explaining.decide(
        model, lambda declarations: inputs.feeds(model, declarations, shapes, files), threads, settings
    )
    if as_json:
        click.echo(json.dumps(decisions, indent=2))
    else:
        tables.explained(model, decisions, show_all)


@cli.command(epilog=examples("octile doctor\noctile doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="Everything found, as JSON.")
def doctor(as_json):
    """Say what this machine is, which targets it can run, and whether everything installed fits together."""
    from octile import doctor as doctoring

    report = doctoring.examine()
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        tables.examined(report)
    if report["problems"]:
        sys.exit(1)


def main():
    with contextlib.suppress(BrokenPipeError):
        cli()
