"use strict";
/* Sorts the tables with data-sortable: each header becomes a button, which sorts by its column. */
const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

function numberIn(text) {
  const found = text.replace(/[,\s]/g, "").replace("\u2212", "-").match(/^[<+]?(-?[\d.]+)([kM]?)/);
  return found ? Number(found[1]) * ({ k: 1e3, M: 1e6 }[found[2]] ?? 1) : NaN;
}

function compareCells(first, second) {
  const [one, two] = [numberIn(first), numberIn(second)];
  if (!Number.isNaN(one) && !Number.isNaN(two)) return one - two;
  if (Number.isNaN(one) !== Number.isNaN(two)) return Number.isNaN(one) ? 1 : -1;
  return first.localeCompare(second);
}

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const unsorted = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const order = NEXT[header.getAttribute("aria-sort")];
      for (const other of headers) other.setAttribute("aria-sort", "none");
      header.setAttribute("aria-sort", order);
      const text = (row) => row.cells[column].textContent.trim();
      const sorted = [...unsorted];
      if (order !== "none") sorted.sort((a, b) => compareCells(text(a), text(b)));
      if (order === "descending") sorted.reverse();
      body.append(...sorted);
    });
  });
}
