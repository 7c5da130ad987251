// Files for the person: pictures as they are, pairs drawn on a canvas, JSON.

import { make } from "./dom.js";

export function saveBlob(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

export function saveJson(value, name) {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  saveBlob(new Blob([text], { type: "application/json" }), name);
}

/** At their own size, pixel for pixel, on one canvas. */
export async function sideBySide(images) {
  await Promise.all(images.map((image) => image.decode()));
  const canvas = make("canvas");
  canvas.width = images.reduce((sum, image) => sum + image.naturalWidth, 0);
  canvas.height = Math.max(...images.map((image) => image.naturalHeight));
  const pen = canvas.getContext("2d");
  let left = 0;
  for (const image of images) {
    pen.drawImage(image, left, 0);
    left += image.naturalWidth;
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** A small webp of a loaded picture, as text for a store. */
export async function thumbnail(address, side) {
  const image = make("img", { src: address });
  await image.decode();
  const scale = Math.min(1, side / Math.max(image.naturalWidth, image.naturalHeight));
  const canvas = make("canvas");
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/webp", 0.85);
}

/** Where the clipboard is closed to pages, the address is shown to be copied by hand. */
export async function copyText(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    near.textContent = "Copied";
    setTimeout(() => {
      near.textContent = "Copy link";
    }, 2000);
  } catch {
    const box = make("input", { class: "copied", type: "text", readonly: true, value: text, "aria-label": "Link" });
    near.after(box);
    box.select();
    box.addEventListener("blur", () => box.remove());
  }
}
