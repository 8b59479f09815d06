"use strict";
// Headers sort their table; one box searches the rows of all tables of languages.

const textOf = (row, column) => row.cells[column].textContent.trim();
const numberOf = text => parseFloat(text.replace(/^[^0-9.+-]*/, "").replace(/,/g, ""));

function sort(table, column, head) {
  const isNumber = column >= +table.dataset.texts;
  const before = head.getAttribute("aria-sort");
  const descending = before === "none" ? isNumber : before === "ascending";
  const keyOf = row => isNumber ? numberOf(textOf(row, column)) : textOf(row, column);
  const isEmpty = isNumber ? Number.isNaN : text => text === "";
  const compare = (a, b) => (descending ? -1 : 1) * (isNumber ? a - b : a.localeCompare(b, "en"));
  const rows = Array.from(table.tBodies[0].rows, row => [keyOf(row), row]);
  // Empty cells come last in both directions.
  rows.sort(([a], [b]) => isEmpty(a) || isEmpty(b) ? isEmpty(a) - isEmpty(b) : compare(a, b));
  for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table[data-texts]"))
  table.tHead.addEventListener("click", event => {
    const head = event.target.closest("th");
    if (event.target.closest("button")) sort(table, head.cellIndex, head);
  });

const filter = document.getElementById("filter");
if (filter) {
  const rows = [], reference = {};
  for (const table of document.querySelectorAll("table.languages"))
    for (const row of table.tBodies[0].rows) {
      const words = Array.from(row.cells).slice(0, +table.dataset.texts).map(cell => cell.textContent);
      if (table.classList.contains("reference")) reference[words[0]] = words.slice(1).join(" ");
      rows.push({ row, code: words[0], text: words.join(" ") });
    }
  const starts = text => " " + text.toLowerCase();
  for (const entry of rows) {
    const text = entry.text + " " + (reference[entry.code] || "");
    entry.text = starts(text) + starts(text.replace(/[_.-]/g, " "));
  }
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !words.every(word => text.includes(" " + word));
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  };
  filter.addEventListener("input", show);
  show();
}
