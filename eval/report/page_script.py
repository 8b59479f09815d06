"""What pages of evaluations do: tables sort by their headers, one box searches the languages of all of them."""

from __future__ import annotations

from typing import Final

SCRIPT: Final = """<script>
"use strict";
const value = (row, place) => row.cells[place].textContent.trim();
const figure = text => parseFloat(text.replace(/^[^0-9.+-]*/, "").replace(/,/g, ""));
function sort(table, place, head) {
  const numbers = place >= +table.dataset.texts;
  const before = head.getAttribute("aria-sort");
  const down = before === "none" ? numbers : before === "ascending";
  const rows = Array.from(table.tBodies[0].rows, row => [numbers ? figure(value(row, place)) : value(row, place), row]);
  const empty = numbers ? Number.isNaN : text => text === "";
  rows.sort(([a], [b]) => empty(a) || empty(b) ? empty(a) - empty(b)
    : (down ? -1 : 1) * (numbers ? a - b : a.localeCompare(b, "en")));
  for (const one of head.parentNode.cells) one.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
for (const table of document.querySelectorAll("table[data-texts]"))
  table.tHead.addEventListener("click", event => {
    const head = event.target.closest("th");
    if (event.target.closest("button")) sort(table, head.cellIndex, head);
  });
const filter = document.getElementById("filter");
if (filter) {
  const rows = [], facts = {};
  const words = text => " " + text.toLowerCase();
  for (const table of document.querySelectorAll("table.languages"))
    for (const row of table.tBodies[0].rows) {
      const own = Array.from(row.cells).slice(0, +table.dataset.texts).map(cell => cell.textContent);
      if (table.classList.contains("reference")) facts[own[0]] = own.slice(1).join(" ");
      rows.push([row, own[0], own.join(" ")]);
    }
  for (const one of rows) {
    const text = one[2] + " " + (facts[one[1]] || "");
    one[1] = words(text) + words(text.replace(/[_.-]/g, " "));
  }
  const show = () => {
    const asked = filter.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !asked.every(word => text.includes(" " + word));
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = asked.length ? `${shown} of ${rows.length} rows` : "";
  };
  filter.addEventListener("input", show);
  show();
}
</script>"""

SEARCH: Final = (
    '<div class="search" role="search"><label for="filter">Languages: </label><input id="filter" type="search" '
    'placeholder="code, name, script, family, class" autocomplete="off"> '
    '<output id="shown" for="filter" class="muted"></output></div>'
)
