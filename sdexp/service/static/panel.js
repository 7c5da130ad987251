// One job at a time: its start, progress, preview, end and failures.

import { api, ApiError } from "./api.js";
import { bringIntoView, button, make } from "./dom.js";
import { FieldError } from "./fields.js";
import { Follower, hasEnded } from "./jobs.js";
import { readPassing, writePassing } from "./storage.js";
import { count, duration } from "./words.js";

const HINT = "Enter in the prompt starts, Esc cancels, arrow keys move a slider.";

const NARROW = matchMedia("(max-width: 900px)");

class JobError extends ApiError {}

function endWords(job) {
  if (job.status === "cancelled") return job.detail ? `Cancelled: ${job.detail}` : "Cancelled.";
  if (job.status === "failed") return "Failed.";
  const stored = job.pictures.filter((picture) => picture.from_store).length;
  const source = stored ? `, ${stored} of ${job.pictures.length} from the store` : "";
  const thing = job.kind === "grid" ? "sheet" : "picture";
  return `Finished: ${count(job.pictures.length, thing)} in ${duration(job.seconds)}${source}.`;
}

/** Few and coarse: a screen reader speaks each of them. */
function statusWords(job) {
  if (hasEnded(job)) return endWords(job);
  const before = job.position ? `, ${count(job.position, "job")} before this one` : "";
  if (job.status === "queued") return `Queued${before}.`;
  const { picture, pictures } = job.progress;
  return `Picture ${Math.min(picture + 1, pictures)} of ${pictures}`;
}

export class Panel {
  /** `area`: what shall be seen when a job begins and the page is narrow. */
  constructor(prefix, { words, send, labelOf, onStart, onJob, area }) {
    this.key = `sdexp.job.${prefix || "compare-"}`;
    this.send = send;
    this.labelOf = labelOf;
    this.onJob = onJob;
    this.area = area;
    this.running = false;
    this.start = button(words, onStart, { id: `${prefix}generate`, class: "primary" });
    const idle = { id: `${prefix}cancel`, class: "quiet", disabled: true, title: "Esc" };
    this.cancelButton = button("Cancel", () => this.cancel(), idle);
    this.error = make("div", { id: `${prefix}error`, class: "error", hidden: true });
    this.retry = button("Try again", () => {}, { id: `${prefix}retry`, class: "quiet" });
    this.actions = make("div", { class: "actions" }, this.error,
      make("div", { class: "buttons" }, this.start, this.cancelButton));
    this.element = this.progressElement(prefix);
  }

  progressElement(prefix) {
    this.status = make("p", { id: `${prefix}status`, role: "status", text: "Nothing started yet." });
    this.bar = make("progress", { id: `${prefix}progress`, max: 1, value: 0, "aria-label": "Progress" });
    this.details = make("p", { id: `${prefix}progress-text`, class: "soft small", text: HINT });
    this.preview = make("img", { id: `${prefix}preview`, alt: "Live preview", hidden: true });
    const words = make("div", { class: "grow" }, this.status, this.bar, this.details);
    return make("div", { class: "panel", "data-state": "idle" }, this.preview, words);
  }

  /** The last state of the job, or null where it never began, failed on the way, or was left. */
  async run(request, again = (same) => this.run(same)) {
    if (this.running) return null;
    this.busy(true);
    this.clear();
    this.status.textContent = "Starting.";
    this.last = null;
    try {
      return await this.follow(await this.send(request));
    } catch (error) {
      return this.fail(error, () => again(this.last?.recipe ?? request));
    } finally {
      this.busy(false);
    }
  }

  /** Takes up the job that ran when the page was left. */
  async resume() {
    const id = readPassing(this.key);
    if (!id || this.running) return null;
    this.busy(true);
    try {
      return await this.follow(await api.job(id));
    } catch (error) {
      writePassing(this.key, null);
      return error.status === 404 ? null : this.fail(error, () => this.resume());
    } finally {
      this.busy(false);
    }
  }

  async follow(job) {
    writePassing(this.key, job.id);
    this.follower = new Follower(job, {
      onJob: (state) => this.show(state),
      onPreview: (preview) => this.showPreview(preview),
      onSilence: () => this.saySilence(),
    });
    if (this.cancelled) await this.cancel();
    const last = await this.follower.ended;
    writePassing(this.key, null);
    if (last?.status === "failed") throw new JobError(200, last.detail ?? "The job failed without a reason.");
    return last;
  }

  saySilence() {
    this.status.textContent = "The server does not answer. Asking again each second.";
  }

  busy(running) {
    const focused = document.activeElement;
    this.running = running;
    this.start.disabled = running;
    this.cancelButton.disabled = !running;
    if (running) this.cancelled = false;
    if (!running) this.follower = null;
    this.preview.hidden = true;
    if (running && focused === this.start) this.cancelButton.focus();
    if (!running && focused === this.cancelButton) this.start.focus();
    this.element.dataset.state = running ? "running" : "idle";
  }

  show(job) {
    const { picture, pictures, model, step, steps } = job.progress;
    const first = this.last === null;
    this.last = job;
    const words = statusWords(job);
    if (this.status.textContent !== words) this.status.textContent = words;
    const done = job.status === "finished" ? 1 : (picture + step / Math.max(steps, 1)) / Math.max(pictures, 1);
    this.bar.value = Math.min(done, 1);
    const running = job.status === "running";
    this.details.textContent = running ? `step ${step} of ${steps}${model ? `, ${this.labelOf(model)}` : ""}` : "";
    this.onJob(job);
    if (first && NARROW.matches) bringIntoView(this.area());
  }

  showPreview({ image }) {
    if (!String(image).startsWith("data:image/")) return;
    this.preview.src = image;
    this.preview.hidden = false;
  }

  /** Also when the server does not answer: then at least this page stops to wait. */
  async cancel() {
    if (!this.running) return;
    this.cancelled = true;
    if (!this.follower) return;
    const { follower } = this;
    this.status.textContent = "Cancelling.";
    try {
      follower.take(await api.cancel(follower.id));
    } catch (error) {
      follower.stop();
      this.status.textContent = `Left: ${error.message}`;
    }
  }

  clear() {
    clearInterval(this.timer);
    this.error.hidden = true;
    this.error.replaceChildren();
    this.bar.value = 0;
    this.details.textContent = "";
  }

  fail(error, again) {
    if (!(error instanceof ApiError || error instanceof FieldError)) throw error;
    this.clear();
    const wait = error.retryAfter ? ` Please wait ${count(error.retryAfter, "second")}, then try again.` : "";
    this.status.textContent = "Nothing is running; see the message at the form.";
    this.error.hidden = false;
    this.error.append(make("p", { role: "alert", text: error.message + wait }));
    const passing = error instanceof JobError || error.retryAfter || [0, 404].includes(error.status);
    if (passing) this.offerRetry(error.retryAfter ?? 0, again);
    if (NARROW.matches) bringIntoView(this.error);
    return null;
  }

  offerRetry(seconds, again) {
    let left = seconds;
    const show = () => {
      this.retry.textContent = left > 0 ? `Try again (${left} s)` : "Try again";
      if (left <= 0) clearInterval(this.timer);
      left -= 1;
    };
    const fresh = this.retry.cloneNode();
    fresh.addEventListener("click", () => again());
    this.retry = fresh;
    this.error.append(fresh);
    show();
    this.timer = setInterval(show, 1000);
  }
}
