"use strict";

// A classic script in the head: the chosen colours stand before anything is painted.

const THEME_KEY = "sdexp.theme";
const THEMES = ["auto", "light", "dark"];

/** Storage may be forbidden by the browser: then the choice holds for this page only. */
function rememberedTheme() {
  try {
    const theme = localStorage.getItem(THEME_KEY);
    return THEMES.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

function rememberTheme(theme) {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    return;
  }
}

function applyTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function wireThemeSwitch() {
  const choice = document.getElementById("theme");
  choice.querySelector(`[value=${rememberedTheme()}]`).checked = true;
  choice.addEventListener("change", (event) => {
    applyTheme(event.target.value);
    rememberTheme(event.target.value);
  });
}

applyTheme(rememberedTheme());
document.addEventListener("DOMContentLoaded", wireThemeSwitch);
