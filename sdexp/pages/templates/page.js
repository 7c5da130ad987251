"use strict";

// Sorting, filtering and a closer look. Without this every text and table is there all the same.

const controls = [...document.querySelectorAll("[data-controls]")];

/** Unknown values come last in both directions; numbers by size, other texts as people order them. */
function compare(a, b, sign) {
  const known = (value) => value !== "" && value !== "-";
  if (known(a) !== known(b)) return known(a) ? -1 : 1;
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return sign * a.localeCompare(b, "en", { numeric: true });
  return sign * (x - y);
}

function sortChildren(parent, rows, valueOf, sign) {
  const values = new Map(rows.map((row) => [row, valueOf(row)]));
  rows.sort((a, b) => compare(values.get(a), values.get(b), sign));
  parent.append(...rows);
}

function showOnly(rows, words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  return shown;
}

function follow(box, rows) {
  const count = box.querySelector("output");
  const search = box.querySelector("input[type=search]");
  const update = () => {
    count.textContent = `${showOnly(rows, search.value)} of ${rows.length} shown`;
  };
  search.addEventListener("input", update);
  update();
}

function cellValue(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent.trim();
}

/** By the heads of its columns, or on a phone, where these have no room, by a list of them. */
function makeSortable(box, table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const listed = [...rows];
  const choice = box.querySelector("select");
  const sort = (column, sign) => {
    for (const one of heads) one.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    sortChildren(body, rows, (row) => cellValue(row, column), sign);
  };
  heads.forEach((head, column) => {
    const name = head.firstChild.textContent.trim();
    choice.append(new Option(`${name}, upwards`, `${column} 1`));
    choice.append(new Option(`${name}, downwards`, `${column} -1`));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      sort(column, sign);
      choice.value = `${column} ${sign}`;
    });
  });
  choice.addEventListener("change", () => {
    if (choice.value !== "") return sort(...choice.value.split(" ").map(Number));
    for (const one of heads) one.removeAttribute("aria-sort");
    return body.append(...listed);
  });
  return rows;
}

function makeBrowsable(box, list) {
  const cards = [...list.children];
  const drawn = [...cards];
  const choice = box.querySelector("select");
  choice.addEventListener("change", () => {
    const [place, sign] = choice.value.split(" ").map(Number);
    if (choice.value === "") list.append(...drawn);
    else sortChildren(list, cards, (card) => card.dataset.values.split(" ")[place], sign);
  });
  return cards;
}

for (const box of controls) {
  const list = document.getElementById(box.dataset.controls);
  const rows = list.tagName === "TABLE" ? makeSortable(box, list) : makeBrowsable(box, list);
  follow(box, rows);
  box.hidden = false;
}

/** Both pictures of a card over each other, at full size where the files are still beside the page. */
function makeViewer(dialog) {
  const [under, over, real] = dialog.querySelectorAll("img");
  const slider = dialog.querySelector("input[type=range]");
  const caption = dialog.querySelector("figcaption");
  const stack = dialog.querySelector(".stack");
  const [previous, next, close] = dialog.querySelectorAll("button");
  let card = null;

  const cut = () => stack.style.setProperty("--cut", `${slider.value}%`);
  const load = (image, link) => {
    const small = link.querySelector("img");
    image.onerror = () => {
      image.onerror = null;
      image.src = small.src;
    };
    image.alt = small.alt;
    image.src = link.href;
  };
  const show = (wanted) => {
    card = wanted;
    const [original, finetuned, reference] = card.querySelectorAll("a");
    load(under, original);
    load(over, finetuned);
    real.parentElement.hidden = !reference;
    if (reference) load(real, reference);
    caption.replaceChildren(...card.querySelector("figcaption").cloneNode(true).childNodes);
  };
  const step = (way) => {
    const shown = [...card.parentElement.children].filter((one) => !one.hidden && one.querySelector("a"));
    const place = shown.indexOf(card) + way;
    show(shown[(place + shown.length) % shown.length]);
  };

  slider.addEventListener("input", cut);
  previous.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => card.querySelector("a").focus());
  for (const link of document.querySelectorAll(".cards a")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      show(link.closest("figure"));
      dialog.showModal();
    });
  }
  cut();
}

document.querySelectorAll("dialog").forEach(makeViewer);
