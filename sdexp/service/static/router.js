// Addresses behind the hash: `#view`, `#view/rest`, `#view?query`.

export const VIEWS = ["compare", "grid", "rows", "blind", "runs"];

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function routeOf(hash) {
  const [, view = "", rest = "", query = ""] = /^#(\w*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(hash) ?? [];
  return { view: VIEWS.includes(view) ? view : VIEWS[0], rest: decoded(rest), query };
}

export function showView(view) {
  for (const name of VIEWS) {
    const box = document.getElementById(`view-${name}`);
    box.hidden = name !== view;
    if (name === view) document.title = `${box.dataset.title} · sdexp`;
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
