"""`./run.sh [serve]`: the web page."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpen_webui.cli.machine_options import add_log_options, add_machine_options, add_time_limit
from gpen_webui.settings import Settings, or_missing


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `serve` and its options to the command line."""
    parser = commands.add_parser("serve", help="serve the web page (the default)")
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=or_missing(int), help="port to listen on (default: 7860)")
    parser.add_argument("--outputs", type=or_missing(Path), metavar="DIR", help="where results go")
    parser.add_argument("--models", type=or_missing(Path), metavar="DIR", help="where models lie")
    parser.add_argument("--model", metavar="NAME|FILE", help="the model to restore with")
    parser.add_argument(
        "--album-root",
        type=or_missing(Path),
        action="append",
        default=[],
        metavar="DIR",
        help="a folder whose photos API clients may name by path; may be given several times",
    )
    add_machine_options(parser)
    add_time_limit(parser)
    add_log_options(parser)
    parser.add_argument(
        "--max-megapixels", type=or_missing(int), metavar="N", help="largest photo (100)"
    )
    parser.add_argument(
        "--max-file-mb", type=or_missing(int), metavar="N", help="largest upload (200)"
    )
    parser.add_argument(
        "--max-store-gb", type=or_missing(int), metavar="N", help="limit for all uploads"
    )
    parser.add_argument(
        "--token",
        help="password for access (as GPEN_WEBUI_TOKEN it is hidden from other users)",
    )
    parser.add_argument(
        "--public-url",
        metavar="URL",
        help="where browsers find the page, if a proxy stands in front of it",
    )
    parser.add_argument(
        "--base-path", metavar="PATH", help="the path of that, like /gpen (default: URL's own)"
    )
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a proxy whose X-Forwarded headers are believed; may be given several times",
    )
    parser.add_argument(
        "--cluster",
        metavar="URL|none",
        help="let other machines help; URL: of Redis, which wakes them at once (docs/cluster.md)",
    )
    parser.add_argument(
        "--same-bytes",
        action="store_true",
        help="keep each album to one kind of machine, so that its results repeat to the byte",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until the user stops it; return the process's exit code."""
    from gpen_webui.web.server import serve

    settings = Settings.from_environment(
        host=options.host,
        port=options.port,
        outputs=options.outputs and options.outputs.absolute(),
        models=options.models and options.models.absolute(),
        model=options.model,
        album_roots=tuple(root.absolute() for root in options.album_root if root),
        device=options.device,
        precision=options.precision,
        workers=options.workers,
        max_photo_seconds=options.max_photo_seconds,
        max_megapixels=options.max_megapixels,
        max_file_mb=options.max_file_mb,
        max_store_gb=options.max_store_gb,
        token=options.token,
        public_url=options.public_url,
        base_path=options.base_path,
        trusted_proxies=tuple(text for text in map(str.strip, options.trusted_proxy) if text),
        cluster=options.cluster,
        same_bytes=options.same_bytes or None,
        log_level=options.log_level,
        log_format=options.log_format,
        open_browser=False if options.no_browser else None,
    )
    return serve(settings)
