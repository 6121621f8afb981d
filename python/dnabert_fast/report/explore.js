// Sorting, searching and unfolding of the tables of a report, and larger drawings. Without it all rows stand there.
"use strict";
for (const figure of document.querySelectorAll("figure.wide")) {
  const button = figure.querySelector("button"), scroll = figure.querySelector(".scroll");
  // What matters most is in the middle, where not all of the drawing fits.
  const look = () => { scroll.scrollLeft = scroll.dataset.focus * scroll.scrollWidth - scroll.clientWidth / 2; };
  button.hidden = false;
  look();
  button.addEventListener("click", () => {
    const full = figure.classList.toggle("full");
    button.setAttribute("aria-pressed", String(full));
    button.textContent = full ? "Fit" : "Enlarge";
    look();
  });
}
for (const box of document.querySelectorAll(".explore")) {
  const table = box.querySelector("table"), body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells], rows = [...body.rows];
  const search = box.querySelector("input"), count = box.querySelector("output"), more = box.querySelector(".more");
  const words = rows.map((row) => row.textContent.toLowerCase());
  const place = new Map(rows.map((row, number) => [row, number]));
  const page = Number(box.dataset.page);
  let order = rows, all = false;

  // Numbers are compared by what they are, not by how they are shown; empty cells come last in either direction.
  const value = (row, column) => {
    const cell = row.cells[column], given = cell.dataset.v;
    if (given === undefined) return cell.textContent;
    return given === "" ? NaN : Number(given);
  };
  const compare = (a, b) => {
    if (typeof a === "string") return a.localeCompare(b, "en", { numeric: true });
    return a - b;
  };

  function show() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of order) {
      const text = words[place.get(row)];
      const fits = wanted.every((word) => text.includes(word));
      row.hidden = !fits || (!all && found >= page);
      found += fits;
    }
    const shown = all ? found : Math.min(found, page);
    count.textContent = `${shown.toLocaleString("en")} of ${found.toLocaleString("en")} rows`
      + (found < rows.length ? ` found among ${rows.length.toLocaleString("en")}` : "");
    more.hidden = found <= page;
    more.textContent = all ? `Show ${page}` : `Show all ${found.toLocaleString("en")}`;
  }

  function sort(column) {
    const head = heads[column], before = head.getAttribute("aria-sort");
    const numbers = head.dataset.kind === "number";
    const down = before ? before === "ascending" : numbers;
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = rows.map((row) => [value(row, column), row]);
    keyed.sort(([a, one], [b, other]) => {
      const lacks = (numbers && isNaN(a) ? 1 : 0) - (numbers && isNaN(b) ? 1 : 0);
      if (lacks || (numbers && isNaN(a))) return lacks || place.get(one) - place.get(other);
      return (down ? -compare(a, b) : compare(a, b)) || place.get(one) - place.get(other);
    });
    order = keyed.map(([, row]) => row);
    body.append(...order);
    show();
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(column));
  });
  search.addEventListener("input", show);
  search.addEventListener("keydown", (key) => {
    if (key.key === "Escape") { search.value = ""; show(); }
  });
  more.addEventListener("click", () => { all = !all; show(); });
  box.querySelector(".tools").hidden = false;
  show();
}
