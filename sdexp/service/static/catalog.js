// What the server offers: models, samplers, limits. One copy for all views.

import { api } from "./api.js";

class Catalog {
  constructor() {
    this.models = [];
    this.samplers = [];
    this.limits = {};
    this.safety = undefined;
    this.listeners = [];
    this.known = "";
  }

  onChange(listener) {
    this.listeners.push(listener);
    if (this.loaded) listener();
  }

  get loaded() {
    return this.known !== "";
  }

  /** Tells the views only when something is new, so that nothing moves under a hand. */
  async refresh() {
    const answer = await api.models();
    const text = JSON.stringify(answer);
    if (text === this.known) return;
    this.known = text;
    this.models = answer.models;
    this.samplers = answer.samplers;
    this.limits = answer.limits;
    this.safety = answer.safety_checker;
    this.listeners.forEach((listener) => listener());
  }

  find(id) {
    return this.models.find((model) => model.id === id) ?? null;
  }

  /** With the id behind it where several would be called the same. */
  labelOf(id) {
    const label = this.find(id)?.label;
    if (label === undefined) return id;
    const same = this.models.filter((model) => model.label === label && model.state !== "refused");
    return same.length > 1 ? `${label}, ${id}` : label;
  }

  get runs() {
    return this.models.filter((model) => model.kind === "run");
  }

  partsOf(run, kind) {
    return this.models.filter((model) => model.run === run && model.kind === kind);
  }

  /** The first run's defaults are those of a request; without one, the original's. */
  leader(ids) {
    const chosen = ids.map((id) => this.find(id)).filter(Boolean);
    return chosen.find((model) => model.kind !== "original") ?? chosen[0] ?? this.models[0] ?? null;
  }
}

export const catalog = new Catalog();
