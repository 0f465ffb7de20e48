// The HTTP API. Errors are ApiError with words for people; code "offline" where nobody answers.

import { say } from "./words.js";

const AWAY = [502, 503, 504]; // HTTP states of a proxy behind which nobody answers
const { base = "" } = document.documentElement.dataset; // the path under which the server lies

export class ApiError extends Error {
  /**
   * @param {string} code as docs/http-api.md lists them, or "offline" or "aborted"
   * @param {string} message one sentence for the user
   * @param {number} status of HTTP; 0 where there was no answer
   */
  constructor(code, message, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/**
 * Do some work; where the server refuses or does not answer, let `refused` tell the user.
 * Any other error is a fault of the scripts and goes on.
 * @template T, [R=void]
 * @param {() => Promise<T>} work
 * @param {(error: ApiError) => R} refused
 * @returns {Promise<T | R>} what the work gave, or what `refused` did
 */
export async function attempt(work, refused) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return refused(error);
  }
}

const offline = () => new ApiError("offline", say("trouble.offline"), 0);

/** Words for an answer that is not this server's: a proxy's in front of it. @param {number} status */
function unexplained(status) {
  if (status === 413) return say("trouble.proxy.large");
  if (AWAY.includes(status)) return say("trouble.proxy.away");
  return say("trouble.proxy.other", { status });
}

/** Where a path of the server lies in this browser. @param {string} path */
export const address = (path) => base + path;

/** @param {number} status @param {{error?: {code?: string, message?: string}} | null} body */
function failure(status, body) {
  const { code = "error", message = unexplained(status) } = body?.error ?? {};
  return new ApiError(code, message, status);
}

/** @param {string} method @param {string} path @param {object} [json] */
async function call(method, path, json) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path), { method, headers, body: json && JSON.stringify(json) });
  } catch {
    throw offline();
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw failure(response.status, body);
  return body;
}

/** @param {string} path */
export const get = (path) => call("GET", path);
/** @param {string} path @param {object} [json] */
export const post = (path, json = {}) => call("POST", path, json);
/** @param {string} path */
export const remove = (path) => call("DELETE", path);

/**
 * Send a form with files.
 * @param {string} path
 * @param {FormData} form
 * @param {{onProgress?: (share: number) => void, signal?: AbortSignal}} [options]
 *   onProgress is told the sent share, 0 to 1
 * @returns {Promise<any>}
 */
export function upload(path, form, { onProgress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(path));
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress?.(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response);
      else reject(failure(request.status, request.response));
    };
    request.onerror = () => reject(offline());
    request.onabort = () => reject(new ApiError("aborted", "", 0));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** @param {string} job */
export const jobPath = (job) => `/api/jobs/${encodeURIComponent(job)}`;
/** @param {string} job @param {number} n @param {string} which @param {string} [query] */
export const picture = (job, n, which, query = "") =>
  address(`${jobPath(job)}/items/${n}/${which}${query}`);
