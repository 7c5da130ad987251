// Follows one job to its end: by events, and where these break off by asking each second.

import { api, ApiError } from "./api.js";

const ENDED = new Set(["finished", "failed", "cancelled"]);
const ASK_EVERY = 1000;
const LOST = "The server no longer knows this job: it has started again since. Nothing of the recipe is lost.";

export const hasEnded = (job) => ENDED.has(job.status);

export class Follower {
  /** `ended` gives the last state of the job, or null after `stop`. */
  constructor(job, { onJob, onPreview, onSilence }) {
    this.id = job.id;
    this.onJob = onJob;
    this.onPreview = onPreview;
    this.onSilence = onSilence;
    this.over = false;
    this.ended = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.take(job);
    if (!this.over) this.listen();
  }

  take(job) {
    if (this.over) return;
    this.onJob(job);
    if (hasEnded(job)) this.finish(() => this.resolve(job));
  }

  finish(tell) {
    this.over = true;
    this.source?.close();
    clearTimeout(this.timer);
    tell();
  }

  stop() {
    if (!this.over) this.finish(() => this.resolve(null));
  }

  listen() {
    this.source = new EventSource(api.eventsOf(this.id));
    this.source.addEventListener("job", (event) => this.take(JSON.parse(event.data)));
    this.source.addEventListener("preview", (event) => this.onPreview(JSON.parse(event.data)));
    this.source.addEventListener("error", () => this.fallBack());
  }

  fallBack() {
    if (this.over) return;
    this.source.close();
    this.poll();
  }

  async poll() {
    try {
      this.take(await api.job(this.id));
    } catch (error) {
      if (this.over) return;
      if (error.status === 0) this.onSilence();
      else this.finish(() => this.reject(error.status === 404 ? new ApiError(404, LOST) : error));
    }
    if (!this.over) this.timer = setTimeout(() => this.poll(), ASK_EVERY);
  }
}
