// A WebSocket to this server that connects again, for as long as it is wanted.

import { address } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const SLOWER = 1.7; // times, with each attempt

export class Socket {
  /** @type {WebSocket} */
  #socket;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #wait = FIRST_WAIT_MS;
  #stopped = false;

  /**
   * @param {() => string} path asked for before each connection
   * @param {{
   *   onMessage: (message: any) => void,
   *   onConnection?: (connected: boolean) => void,
   *   isFinished?: (code: number) => boolean,
   * }} handlers onMessage gets parsed JSON; onConnection is told when the connection is there and
   *   when it breaks; isFinished says of the code of a closing whether the server has told all
   */
  constructor(path, { onMessage, onConnection = () => {}, isFinished = () => false }) {
    this.path = path;
    this.onMessage = onMessage;
    this.onConnection = onConnection;
    this.isFinished = isFinished;
    this.#socket = this.#connect();
  }

  /** Give this connection up, and make another one. */
  reconnect() {
    this.#socket.close(4000);
  }

  /** Close it for good. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${address(this.path())}`);
    socket.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      this.onConnection(true);
    };
    socket.onmessage = ({ data }) => this.onMessage(JSON.parse(data));
    socket.onclose = ({ code }) => {
      if (this.#stopped || this.isFinished(code)) return;
      this.onConnection(false);
      this.#timer = setTimeout(() => (this.#socket = this.#connect()), this.#wait);
      this.#wait = Math.min(this.#wait * SLOWER, LONGEST_WAIT_MS);
    };
    return socket;
  }
}
