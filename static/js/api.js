// The HTTP API. Errors are ApiError with words for people; code "offline" where nobody answers.

import { say } from "./words.js";

export class ApiError extends Error {
  constructor(code, message, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const offline = () => new ApiError("offline", say("trouble.offline"), 0);

function failure(status, body) {
  const { code = "error", message = `HTTP ${status}` } = body?.error ?? {};
  return new ApiError(code, message, status);
}

async function call(method, path, json) {
  const request = { method, headers: { Accept: "application/json" } };
  if (json !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw offline();
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw failure(response.status, body);
  return body;
}

export const get = (path) => call("GET", path);
export const post = (path, json = {}) => call("POST", path, json);
export const remove = (path) => call("DELETE", path);

/** Send a form with files; onProgress is told the sent share, 0 to 1. */
export function upload(path, form, onProgress = () => {}, signal = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
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

export const jobPath = (job) => `/api/jobs/${encodeURIComponent(job)}`;
export const picture = (job, n, which, query = "") =>
  `${jobPath(job)}/items/${n}/${which}${query}`;
