// Light, dark, or as the system is set; kept for the next visit where the browser lets us.
"use strict";
(() => {
  const THEMES = ["auto", "light", "dark"];
  const kept = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const keep = (theme) => {
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // Private windows may refuse; then it holds until the page is left.
    }
  };
  const root = document.documentElement;
  root.dataset.theme = THEMES.includes(kept()) ? kept() : "auto";
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const say = () => {
      button.textContent = `Theme: ${root.dataset.theme}`;
    };
    button.addEventListener("click", () => {
      root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
      keep(root.dataset.theme);
      say();
    });
    say();
  });
})();
