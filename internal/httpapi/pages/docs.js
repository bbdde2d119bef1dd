// Shows only the routes that have every word of the search field.
"use strict";
const field = document.getElementById("find");
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const item of document.querySelectorAll("[data-find]")) {
    item.hidden = !words.every((word) => item.dataset.find.toLowerCase().includes(word));
  }
});
