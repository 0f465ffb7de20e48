// The events of a job, as they happen: each once, in order, through any broken connection.

const GATHER_MS = 120; // events are handed over in batches, so that a fast album stays smooth
const LONGEST_WAIT_MS = 8000;

/**
 * Follow a job from after an event on. onEvents(list) gets batches; onConnection(connected)
 * is told when the line breaks and is back. Returns a function that stops it.
 */
export function follow(job, after, onEvents, onConnection = () => {}) {
  let seen = after;
  let socket = null;
  let wait = 500;
  let timer = null;
  let stopped = false;
  let gathered = [];
  let flushTimer = null;

  function flush() {
    flushTimer = null;
    const events = gathered;
    gathered = [];
    if (!stopped && events.length) onEvents(events);
  }

  function take(event) {
    if (typeof event.seq !== "number" || event.seq <= seen) return; // a ping, or known
    seen = event.seq;
    gathered.push(event);
    flushTimer ??= setTimeout(flush, GATHER_MS);
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(
      `${scheme}//${location.host}/ws/jobs/${encodeURIComponent(job)}?after=${seen}`,
    );
    socket.onopen = () => {
      wait = 500;
      onConnection(true);
    };
    socket.onmessage = (message) => take(JSON.parse(message.data));
    socket.onclose = (close) => {
      if (stopped) return;
      if (close.code === 1000) return; // the job has ended
      onConnection(false);
      timer = setTimeout(connect, wait);
      wait = Math.min(wait * 1.7, LONGEST_WAIT_MS);
    };
  }

  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    clearTimeout(flushTimer);
    socket.close();
  };
}
