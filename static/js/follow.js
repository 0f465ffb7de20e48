// The events of a job, as they happen: each once, in order, through any broken connection.

import { get, jobPath } from "./api.js";

const GATHER_MS = 120; // events are handed over in batches, so that a fast album stays smooth
const LONGEST_WAIT_MS = 8000;
const SILENCE_MS = 15_000; // after which we look ourselves: a broken line may not say so

/**
 * Follow a job from after an event on. onEvents(list) gets batches; onConnection(connected)
 * is told when the line breaks and is back. Returns a function that stops it.
 */
export function follow(job, after, onEvents, onConnection = () => {}) {
  let seen = after;
  let socket = null;
  let wait = 500;
  let timer = null;
  let silence = null;
  let stopped = false;
  let over = false; // the job has ended
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
    if (event.type === "job") over = ["done", "cancelled"].includes(event.state);
    gathered.push(event);
    flushTimer ??= setTimeout(flush, GATHER_MS);
  }

  /** Whether something has happened that the socket did not tell. */
  async function look() {
    const from = seen;
    const news = await get(`${jobPath(job)}/events?after=${from}`).catch(() => []);
    if (stopped || seen !== from) return;
    if (news.length) {
      news.forEach(take);
      socket.close(4000);
    }
    listen();
  }

  function listen() {
    clearTimeout(silence);
    silence = setTimeout(look, SILENCE_MS);
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(
      `${scheme}//${location.host}/ws/jobs/${encodeURIComponent(job)}?after=${seen}`,
    );
    socket.onopen = () => {
      wait = 500;
      listen();
      onConnection(true);
    };
    socket.onmessage = (message) => {
      listen();
      take(JSON.parse(message.data));
    };
    socket.onclose = (close) => {
      if (stopped) return;
      clearTimeout(silence);
      if (close.code === 1000 && over) return;
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
    clearTimeout(silence);
    socket.close();
  };
}
