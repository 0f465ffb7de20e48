"""A web server on this machine that serves one file, well or badly, for tests of downloads."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 60.0  # seconds that an answer is held back at most


class FileServer:
    """Serves `data` at any path; the first part of the path says how.

    whole: as it should. cut: the connection ends after the first `cut_at` bytes of the file.
    halves: each answer ends after half of what is missing. stall: sends a little, then nothing
    more. truncate: as if half the file were all of it. lie: says that it has more than it has.
    page: a web page with code 200. missing: code 404. redirect: to /whole. loop: to itself.
    plain: no Range, no ETag. away: to `redirect_to`. wordy: with a length that is no number.
    negative: with one that cannot be. garbage: no HTTP at all.
    """

    def __init__(self, data: bytes):
        self.data = data
        self.etag = '"first"'
        self.requests: list[tuple[str, str | None]] = []  # path and Range of each
        self.slowly = 0.0  # seconds between chunks
        self.may_go_on = threading.Event()  # behind the first chunk
        self.may_go_on.set()
        self.cut_at = len(data)
        self.redirect_to = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{behaviour}"

    @contextmanager
    def running(self) -> Iterator["FileServer"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append((self.path, self.headers.get("Range")))
                getattr(self, f"do_{self.path.strip('/')}")()

            def do_whole(self):
                self.answer(outer.data[self.begin() :], self.begin())

            def do_plain(self):
                self.headers.replace_header("Range", "") if "Range" in self.headers else None
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.data)))
                self.end_headers()
                self.wfile.write(outer.data)

            def do_cut(self):
                begin = self.begin()
                self.answer(outer.data[begin:], begin, send=max(0, outer.cut_at - begin))

            def do_halves(self):
                begin = self.begin()
                rest = outer.data[begin:]
                enough = len(rest) < len(outer.data) / 5
                self.answer(rest, begin, send=len(rest) if enough else len(rest) // 2)

            def do_stall(self):
                self.answer(outer.data[self.begin() :], self.begin(), send=1000, then_wait=True)

            def do_truncate(self):
                self.answer(outer.data[: len(outer.data) // 2], 0)

            def do_lie(self):
                self.answer(outer.data, 0, claim=len(outer.data) + 5000)

            def do_page(self):
                self.answer(b"<!DOCTYPE html><html>Please log in</html>", 0, kind="text/html")

            def do_disguised(self):
                self.answer(b"<!DOCTYPE html><html>Please log in</html>", 0)

            def do_missing(self):
                self.send_error(404)

            def do_redirect(self):
                self.redirect_to("/whole")

            def do_away(self):
                self.redirect_to(outer.redirect_to)

            def do_wordy(self):
                self.answer(outer.data, 0, claim="quite a few")

            def do_negative(self):
                self.answer(outer.data, 0, claim=-5)

            def do_garbage(self):
                self.wfile.write(b"\xff\xfe\r\n\r\n" * 100)
                self.close_connection = True

            def do_loop(self):
                self.redirect_to("/loop")

            def redirect_to(self, where):
                self.send_response(302)
                self.wfile.flush()
                self._headers_buffer.append(b"Location: " + where.encode("latin-1") + b"\r\n")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def begin(self):
                wanted = self.headers.get("Range")
                if not wanted or self.headers.get("If-Range") != outer.etag:
                    return 0
                return int(wanted.removeprefix("bytes=").removesuffix("-"))

            def answer(
                self,
                body,
                begin,
                send=None,
                claim=None,
                kind="application/octet-stream",
                then_wait=False,
            ):
                if begin >= len(outer.data):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(outer.data)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206 if begin else 200)
                if begin:
                    last, total = len(outer.data) - 1, len(outer.data)
                    self.send_header("Content-Range", f"bytes {begin}-{last}/{total}")
                self.send_header("Content-Type", kind)
                self.send_header("ETag", outer.etag)
                self.send_header("Content-Length", str(claim or len(body)))
                self.end_headers()
                for start in range(0, len(body[:send]), 1 << 16):
                    self.wfile.write(body[:send][start : start + (1 << 16)])
                    time.sleep(outer.slowly)
                    outer.may_go_on.wait(PATIENCE)
                if then_wait:
                    time.sleep(3)
                self.close_connection = True

            def log_message(self, *arguments):
                pass

        return Handler
