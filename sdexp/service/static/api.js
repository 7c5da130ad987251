// All that is asked of the server, one function each.

const GONE = "The server cannot be reached. It may be starting again; what you typed is kept.";

export class ApiError extends Error {
  /** `status` 0: no answer at all. `retryAfter`: seconds, or null where waiting would not help. */
  constructor(status, detail, retryAfter = null) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function refusal(response) {
  const answer = await response.json().catch(() => ({}));
  const detail = answer.detail ? String(answer.detail) : `The server answered ${response.status}.`;
  const seconds = Number(response.headers.get("Retry-After"));
  const busy = response.status === 503 || response.status === 429;
  return new ApiError(response.status, detail, busy ? seconds || 5 : null);
}

/** Called when the server did not answer at all. */
export const silence = new EventTarget();

function gone() {
  silence.dispatchEvent(new Event("silence"));
  return new ApiError(0, GONE);
}

async function ask(method, path, body) {
  const options = { method, headers: { Accept: "application/json" }, cache: "no-store" };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options).catch(() => {
    throw gone();
  });
  if (!response.ok) throw await refusal(response);
  return response.json().catch(() => {
    throw gone();
  });
}

const part = encodeURIComponent;

export const api = {
  ready: () => ask("GET", "/api/ready"),
  models: () => ask("GET", "/api/models"),
  generate: (request) => ask("POST", "/api/generate", request),
  grid: (request) => ask("POST", "/api/grid", request),
  job: (id) => ask("GET", `/api/jobs/${part(id)}`),
  cancel: (id) => ask("DELETE", `/api/jobs/${part(id)}`),
  eventsOf: (id) => `/api/jobs/${part(id)}/events`,
  runs: () => ask("GET", "/api/runs"),
  curves: (run) => ask("GET", `/api/runs/${part(run)}/curves`),
  prompts: (run) => ask("GET", `/api/runs/${part(run)}/prompts`),
  reportOf: (run) => `/api/runs/${part(run)}/report`,
  blind: (run, pairs) => ask("POST", "/api/blind", { run, pairs }),
  vote: (pair, choice) => ask("POST", `/api/blind/${part(pair)}/vote`, { choice }),
};
