"""`magbroker up`: everything on this machine, and the demonstration that real images take the whole road."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from console.demo_network import DemoSink, send_samples
from console.demo_samples import Sample, write_samples
from console.processes import RESTART_SECONDS, Child, Family
from fileman import Store
from rpcs.image_states import ImageState, Sending, image_states
from runtime import Settings, check_port

out = Console()

#: The demo's gateway user, as data/demo.toml has it.
DEMO_ACCESS, DEMO_VERIFY = "DEMOGW1", "1GWY!@#$"
#: The port of the web unless the settings name one.
WEB_PORT = 9480
#: Columns of the table that keep their width, in characters; file and patient share what is left.
_WIDTHS = {"accession": 14, "IEN": 3, "stored as": 14, "rules": 5, "destination": 12, "status": 9}
#: Seconds that the samples have to arrive.
ARRIVE_SECONDS = 90.0


def run_demo_sink(port: int, directory: Path) -> None:
    """Receive objects until SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_ignored: stop.set())
    with DemoSink(port, directory):
        stop.wait()


def run_up(settings: Settings, site: Path | None, config: Path | None, *, demo: bool, once: bool) -> int:
    """Start everything, with `demo` send the samples and show what became of them; give the exit status."""
    if settings.web_port is None:
        settings = settings.model_copy(update={"web_port": WEB_PORT})
    checks = [
        (settings.broker_port, "RPC broker", "MAGBROKER_BROKER_PORT"),
        (settings.text_port if settings.text_transport else 0, "text transport", "MAGBROKER_TEXT_PORT"),
        (settings.web_port or 0, "web", "MAGBROKER_WEB_PORT"),
        (settings.gateway.dicom_port, "DICOM", "MAGBROKER_GATEWAY__DICOM_PORT"),
        *([(settings.sink_port, "demo destination", "MAGBROKER_SINK_PORT")] if demo else []),
    ]
    for port, purpose, setting in checks:
        check_port(port, purpose, setting)
    family = Family()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_ignored: stop.set())
    try:
        with resources.as_file(resources.files("magbroker_data")) as data:
            _start(family, settings, site, config, data if demo else None)
            status = _demonstrate(settings, stop) if demo else 0
            if demo and once:
                return status
            out.print(_where(settings, demo), highlight=False)
            while not stop.wait(RESTART_SECONDS):
                for name in family.watch_once():
                    out.print(f"[yellow]the {name} ended by itself and was started again[/]", highlight=False)
        return status
    finally:
        family.stop()


def _start(family: Family, settings: Settings, site: Path | None, config: Path | None, demo: Path | None) -> None:
    common = ["--data", str(settings.data), *(["--config", str(config)] if config else [])]
    logs = settings.data / "log"
    if demo is not None:
        sink = ["demo-sink", "--port", str(settings.sink_port), "--directory", str(settings.data / "sink")]
        family.add(Child("demo destination", sink, settings.sink_port, logs / "sink.log"))
        site = site or _demo_site(settings, demo)
    broker = ["broker", *common, "--port", str(settings.broker_port), "--text-port", str(settings.text_port)]
    broker += ["--site", str(site)] if site else []
    web = {"MAGBROKER_WEB_PORT": str(settings.web_port)}
    family.add(Child("broker", broker, settings.broker_port, logs / "broker.log", web))
    gateway = ["gateway", *common, "--broker-port", str(settings.broker_port), "--dicom-port", str(settings.gateway.dicom_port)]
    gateway += ["--rules", str(demo / "demo.rule")] if demo is not None and settings.gateway.rules is None else []
    sign_on = {}
    if demo is not None and not settings.gateway.access:
        sign_on = {"MAGBROKER_GATEWAY__ACCESS": DEMO_ACCESS, "MAGBROKER_GATEWAY__VERIFY": DEMO_VERIFY}
    family.add(Child("gateway", gateway, settings.gateway.dicom_port, logs / "gateway.log", sign_on))


def _demo_site(settings: Settings, demo: Path) -> Path:
    """Write the demo site with this run's sink port."""
    text = (demo / "demo.toml").read_text(encoding="utf-8")
    settings.data.mkdir(parents=True, exist_ok=True)
    path = settings.data / "demo-site.toml"
    path.write_text(text.replace("port = 11113", f"port = {settings.sink_port}"), encoding="utf-8")
    return path


def _demonstrate(settings: Settings, stop: threading.Event) -> int:
    """Send the samples and wait until each has come where it belongs; show the table."""
    samples = write_samples(settings.data / "samples")
    with Progress(console=out, transient=True) as progress:
        sending = progress.add_task("sending sample images", total=len(samples))
        send_samples("127.0.0.1", settings.gateway.dicom_port, samples, lambda: progress.advance(sending))
        arriving = progress.add_task("waiting for them to arrive", total=len(samples))
        store = Store(settings.database_url)
        try:
            states = _await(store, settings, samples, stop, lambda count: progress.update(arriving, completed=count))
        finally:
            store.close()
    received = DemoSink.received(settings.data / "sink")
    problems = [problem for sample in samples if (problem := _problem(sample, states[sample.sop_instance_uid], received))]
    out.print(_table(samples, states, out.width), highlight=False)
    for line in _unwanted(samples, states):
        out.print(line, highlight=False)
    for problem in problems:
        out.print(f"[red]{problem}[/]", highlight=False)
    if not problems:
        out.print(f"All {len(samples)} samples came where they belong.", highlight=False)
    return 1 if problems else 0


def _await(
    store: Store, settings: Settings, samples: Sequence[Sample], stop: threading.Event, told: Callable[[int], None]
) -> dict[str, ImageState]:
    """Ask the database until every sample is where it belongs, or the time is over."""
    uids = [sample.sop_instance_uid for sample in samples]
    for _ in range(int(ARRIVE_SECONDS / 0.25)):
        states = store.read(lambda connection: image_states(connection, uids))
        received = DemoSink.received(settings.data / "sink")
        done = sum(not _problem(sample, states[sample.sop_instance_uid], received) for sample in samples)
        told(done)
        if done == len(samples) or stop.wait(0.25):
            break
    return states


def _problem(sample: Sample, state: ImageState, received: frozenset[str]) -> str:
    """Say what is not as it should be with a sample; empty when all is."""
    if sample.outcome == "correct":
        return "" if state.correct and state.image is None else f"{sample.file_name} is not on the CORRECT list"
    if state.image is None:
        return f"{sample.file_name} is not filed" + (f" ({state.correct})" if state.correct else "")
    if not state.evaluated:
        return f"{sample.file_name} was not judged by the rules"
    reached = {sending.destination for sending in state.sendings if sending.status == "SUCCESS"}
    missing = set(sample.destinations) - reached
    if missing or reached - set(sample.destinations):
        wanted = ", ".join(sample.destinations) or "nowhere"
        return f"{sample.file_name} should go to {wanted} and went to {', '.join(sorted(reached)) or 'nowhere'}"
    if sample.destinations and sample.sop_instance_uid not in received:
        return f"{sample.file_name} is said to be sent and did not arrive"
    return ""


def _table(samples: Sequence[Sample], states: dict[str, ImageState], width: int) -> Table:
    """Lay the samples out, a line for each sending; a narrow terminal cuts names and folds only the status."""
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False, header_style="bold")
    spare = max(16, width - sum(_WIDTHS.values()) - len(_WIDTHS) - 1)
    table.add_column("file", no_wrap=True, width=min(24, spare // 2))
    table.add_column("patient", no_wrap=True, width=min(20, spare // 2))
    for heading, needed in _WIDTHS.items():
        table.add_column(heading, no_wrap=heading != "status", min_width=needed, overflow="fold")
    for sample in samples:
        state = states[sample.sop_instance_uid]
        first, *more = [(sending.destination, _outcome(sending)) for sending in state.sendings] or [("", _status(state))]
        table.add_row(
            sample.file_name.removesuffix(".dcm"),
            sample.patient.replace("^", " ").strip(),
            sample.accession,
            str(state.image or ""),
            state.file.removesuffix(".DCM"),
            " ".join(state.rules),
            *first,
        )
        for line in more:
            table.add_row(*[""] * 6, *line)
    return table


def _outcome(sending: Sending) -> str:
    return f"{sending.status}{' again' if sending.repeated else ''}{': ' + sending.reason if sending.reason else ''}"


def _status(state: ImageState) -> str:
    """Say why a sample was not sent."""
    if state.image is None:
        return f"CORRECT list: {state.correct}" if state.correct else "not filed"
    return "filed; no rule wants it" if state.evaluated else "filed; not judged yet"


def _unwanted(samples: Sequence[Sample], states: dict[str, ImageState]) -> Iterator[str]:
    """Say why no rule wants a sample that was filed, rule by rule."""
    for sample in samples:
        state = states[sample.sop_instance_uid]
        if state.image is not None and state.evaluated and not state.sendings:
            yield f"No rule wants {sample.file_name}: {state.why_no_rule}"


def _where(settings: Settings, demo: bool) -> str:
    lines = [
        f"RPC broker    127.0.0.1:{settings.broker_port}",
        *(
            [f"text          127.0.0.1:{settings.text_port}  (try: nc 127.0.0.1 {settings.text_port})"]
            if settings.text_transport
            else []
        ),
        f"DICOM         127.0.0.1:{settings.gateway.dicom_port}, AE title {settings.gateway.ae_title}",
        f"web console   http://127.0.0.1:{settings.web_port}/  (and /api, /metrics, /readyz)",
        f"data          {settings.data.resolve()}",
        *(["sign on with  DEMOMG1 / 1MGR!@#$ (web console, shell), FAKEDOC1 / 1DOC!@#$ (RPC clients)"] if demo else []),
        "Ctrl-C ends everything.",
    ]
    return "\n".join(lines)
