// The page of the API: every route of the service, as its schema tells.

import { button, make } from "./dom.js";
import { Schema } from "./schema.js";

const HEADS = ["field", "type", "bounds", "default", "description"];
const FORM = "application/x-www-form-urlencoded";

async function told(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

/** Ids of this service: with these the examples work as they stand. */
async function knownIds() {
  const answer = await told("/api/models").catch(() => ({ models: [] }));
  const usable = answer.models.filter((model) => model.state !== "refused");
  const original = usable.find((model) => model.kind === "original")?.id;
  const run = usable.find((model) => model.kind === "run" && model.scores)?.id;
  return { models: original && [original], run, run_id: run };
}

function anchorOf(method, path) {
  return `${method}${path}`.replace(/\W+/g, "-").replace(/-$/, path.endsWith("/") ? "-slash" : "");
}

function routesOf(document) {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => ({ path, method, route, anchor: anchorOf(method, path) })));
}

function byTag(routes) {
  const tags = new Map();
  for (const one of routes) {
    const tag = one.route.tags?.[0] ?? "others";
    tags.set(tag, [...(tags.get(tag) ?? []), one]);
  }
  return tags;
}

function methodMark(method) {
  return make("span", { class: `method ${method}`, text: method.toUpperCase() });
}

function row(field) {
  const name = make("td", {}, make("code", { text: field.name }));
  const cell = (label, text) => make("td", { "data-label": label, text });
  return make("tr", {}, name, cell("type", field.type), cell("bounds", field.bounds),
    cell("default", field.standard), cell("description", field.about));
}

function fieldTable(words, fields) {
  if (fields.length === 0) return [];
  const heads = make("tr", {}, ...HEADS.map((text) => make("th", { scope: "col", text })));
  const table = make("table", { class: "stack fields" }, make("thead", {}, heads),
    make("tbody", {}, ...fields.map(row)));
  return [make("h4", { text: words }), make("div", { class: "scroll" }, table)];
}

function parameterFields(schema, route) {
  return (route.parameters ?? []).map((one) => ({
    ...schema.field(one.name, one.schema, one.required),
    about: one.description ?? "",
  }));
}

function bodyOf(route) {
  const [kind, content] = Object.entries(route.requestBody?.content ?? {})[0] ?? [];
  return kind ? { kind, schema: content.schema } : null;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function pathExample(schema, path, route) {
  const filled = (whole, name) => {
    const parameter = route.parameters?.find((one) => one.name === name);
    return String(schema.example(name, parameter?.schema ?? {}));
  };
  return path.replace(/\{(\w+)\}/g, filled);
}

function formWords(value) {
  return Object.entries(value).map(([name, text]) => `--data-urlencode ${quoted(`${name}=${text}`)}`);
}

function bodyWords(schema, body) {
  const value = schema.body(body.schema);
  if (body.kind === FORM) return formWords(value);
  return [`-H ${quoted(`Content-Type: ${body.kind}`)}`, `-d ${quoted(JSON.stringify(value))}`];
}

/** An answer without a schema is a picture or a page: better put into a file. */
function outputFlags(path, route) {
  if (path.endsWith("/events")) return ["-N"];
  const answer = Object.entries(route.responses).find(([code]) => code.startsWith("2"))?.[1];
  return answer?.content ? [] : ["-o answer"];
}

function curl(schema, { path, method, route }) {
  const body = bodyOf(route);
  const flags = outputFlags(path, route);
  if (method !== "get" && !body) flags.push(`-X ${method.toUpperCase()}`);
  const first = ["curl", ...flags, quoted(location.origin + pathExample(schema, path, route))].join(" ");
  return [first, ...(body ? bodyWords(schema, body) : [])].join(" \\\n  ");
}

/** Where the clipboard is closed to pages, the text is chosen, to be copied by hand. */
async function copy(code, near) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    near.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    near.textContent = "Selected";
  }
  setTimeout(() => {
    near.textContent = "Copy";
  }, 2000);
}

function example(schema, one) {
  const code = make("code", { class: "copy", tabindex: "0", text: curl(schema, one) });
  const words = `Copy the example of ${one.method.toUpperCase()} ${one.path}`;
  const press = (event) => copy(code, event.currentTarget);
  return make("div", { class: "example" }, code, button("Copy", press, { class: "quiet", "aria-label": words }));
}

function codes(route) {
  const lines = Object.entries(route.responses).map(([code, answer]) =>
    make("div", {}, make("dt", { text: code }), make("dd", { text: answer.description })));
  return make("dl", { class: "codes" }, ...lines);
}

function card(schema, one) {
  const { path, method, route, anchor } = one;
  const body = bodyOf(route);
  const words = body?.kind === FORM ? "Fields of the form" : "Fields of the JSON body";
  const about = body ? schema.resolved(body.schema).description : null;
  return make("section", { class: "card route", id: anchor, "aria-labelledby": `${anchor}-title` },
    make("h3", { id: `${anchor}-title` }, methodMark(method), make("code", { text: path })),
    make("p", { text: route.description ?? route.summary ?? "" }),
    about ? make("p", { class: "soft small", text: about }) : null,
    ...fieldTable("Fields of the address", parameterFields(schema, route)),
    ...fieldTable(words, body ? schema.fields(body.schema) : []),
    make("h4", { text: "Status codes" }), codes(route),
    make("h4", { text: "Example" }), example(schema, one));
}

function contents(routes) {
  const entry = ({ path, method, anchor }) =>
    make("li", {}, make("a", { href: `#${anchor}` }, methodMark(method), make("code", { text: path })));
  return make("ul", {}, ...routes.map(entry));
}

function show(document_, known) {
  const schema = new Schema(document_, known);
  const routes = routesOf(document_);
  const { title, version, description } = document_.info;
  document.getElementById("about").textContent = `${description ?? title} Version ${version}.`;
  const list = document.getElementById("contents");
  list.replaceChildren(contents(routes));
  list.hidden = false;
  const section = (tag, some) => make("section", { class: "tag", "aria-label": tag }, make("h2", { text: tag }),
    ...some.map((one) => card(schema, one)));
  const tags = [...byTag(routes)].map(([tag, some]) => section(tag, some));
  document.getElementById("routes").replaceChildren(...tags);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

async function begin() {
  try {
    const [document_, known] = await Promise.all([told("/api/openapi.json"), knownIds()]);
    show(document_, known);
  } catch (error) {
    document.getElementById("about").textContent = `The routes cannot be shown: ${error.message}. Reload to try again.`;
  }
}

begin();
