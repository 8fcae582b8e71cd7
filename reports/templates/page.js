// Sorts tables, hides variants in the whole page, shows the samples through training and enlarges pictures. The page is complete without it.
"use strict";
{
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const missing = new Set(["", "–"]);

  // The sort key of a cell: the text of its first line.
  const textOf = (cell) => (cell.querySelector("bdi, code") ?? cell).textContent.trim();

  // A number as written in the page ("1,234", "−0.5", "< .001", "93 %", "2 of 3", "∞"); NaN for anything else.
  const numberOf = (text) => {
    const plain = text.replaceAll(",", "").replace(/^[<>×]\s*/, "").replace("−", "-").replace("∞", "Infinity");
    const found = /^-?(Infinity|\d*\.?\d+(e[-+]?\d+)?)/.exec(plain);
    return found ? Number(found[0]) : NaN;
  };

  const sort = (table, column, order) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => a.dataset.place - b.dataset.place);
    const texts = new Map(rows.map((row) => [row, textOf(row.cells[column])]));
    const own = rows.filter((row) => !row.classList.contains("reference") && !missing.has(texts.get(row)));
    const numeric = table.tHead.rows[0].cells[column].classList.contains("right"); // in such a column "not judged" counts as missing
    const known = numeric ? own.filter((row) => !Number.isNaN(numberOf(texts.get(row)))) : own;
    const ids = own.some((row) => row.cells[column].querySelector("code"));
    const compare = numeric
      ? (a, b) => Math.sign(numberOf(texts.get(a)) - numberOf(texts.get(b))) || 0 // two infinities are alike
      : ids
        ? (a, b) => Number(texts.get(a) > texts.get(b)) - Number(texts.get(a) < texts.get(b))
        : (a, b) => texts.get(a).localeCompare(texts.get(b), "en", { numeric: true });
    const sorted = order ? known.sort((a, b) => (order === "ascending" ? compare(a, b) : compare(b, a))) : [];
    body.append(...sorted, ...rows.filter((row) => !sorted.includes(row))); // rows without a value, then the reference rows
  };

  for (const table of all("table.sortable")) {
    if (!table.tHead || table.tBodies[0].rows.length < 2) continue;
    [...table.tBodies[0].rows].forEach((row, place) => (row.dataset.place = place));
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.tagName !== "TH" || head.querySelector("img")) return; // a column of pictures cannot be sorted
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.title = "sort";
      button.append(...head.childNodes);
      head.append(button);
      const first = head.textContent.includes("↑") ? "descending" : "ascending";
      const turns = { none: first, [first]: first === "ascending" ? "descending" : "ascending" };
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const next = turns[head.getAttribute("aria-sort")];
        for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", next ?? "none");
        sort(table, column, next);
      });
    });
  }

  const choices = all(".filter [data-group]");
  const refresh = () => {
    const hidden = new Set(choices.filter((choice) => choice.getAttribute("aria-pressed") === "false").map((choice) => choice.dataset.group));
    for (const part of all("[data-entry]")) {
      part.classList.toggle("off", hidden.has(part.dataset.entry) || hidden.has(part.dataset.and));
    }
  };
  const press = (choice, shown) => choice.setAttribute("aria-pressed", String(shown));
  for (const choice of choices) {
    choice.addEventListener("click", () => {
      press(choice, choice.getAttribute("aria-pressed") === "false");
      refresh();
    });
  }
  for (const button of all(".filter [data-all]")) {
    button.addEventListener("click", () => {
      choices.forEach((choice) => press(choice, button.dataset.all === "true"));
      refresh();
    });
  }
  for (const filter of all(".filter")) filter.hidden = false;

  // A slider over the samples: each tile shows its entry's picture at an evaluation point; the last position is the end.
  for (const figure of all("figure[data-film]")) {
    const film = document.getElementById(figure.dataset.film);
    const marks = film ? all("thead th", film).map((head) => head.textContent) : [];
    const strips = new Map((film ? all("tbody tr", film) : []).map((row) => [textOf(row.cells[0]), row]));
    const tiles = all(".tile", figure).map((tile) => {
      const image = tile.querySelector("img");
      return { image, strip: strips.get(textOf(tile)), end: { src: image.src, alt: image.alt, pixelated: image.className } };
    });
    if (!marks.length) continue;
    const label = document.createElement("label");
    label.className = "slide";
    const range = Object.assign(document.createElement("input"), { type: "range", min: 0, max: marks.length, value: marks.length });
    const shown = Object.assign(document.createElement("output"), { textContent: "end" });
    label.append("through training", range, shown);
    range.addEventListener("input", () => {
      const at = Number(range.value);
      shown.textContent = marks[at] ?? "end";
      range.setAttribute("aria-valuetext", shown.textContent);
      for (const { image, strip, end } of tiles) {
        if (!strip) continue;
        const earlier = at < marks.length ? strip.cells[at + 1].querySelector("img") : null;
        Object.assign(image, earlier ? { src: earlier.src, alt: earlier.alt, className: earlier.className } : { src: end.src, alt: end.alt, className: end.pixelated });
        image.classList.toggle("absent", at < marks.length && !earlier);
      }
    });
    range.setAttribute("aria-valuetext", "end");
    figure.prepend(label);
  }

  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Enlarged picture");
  const [close, words, large] = ["button", "p", "img"].map((name) => document.createElement(name));
  close.textContent = "close";
  dialog.append(close, words, large);
  document.body.append(dialog);
  const enlarge = (image) => {
    Object.assign(large, { src: image.src, alt: image.alt, className: image.className });
    words.textContent = image.alt;
    dialog.showModal();
  };
  for (const image of all(".tile img, .film img")) {
    image.tabIndex = 0;
    image.setAttribute("role", "button");
    image.title = "enlarge";
    image.addEventListener("click", () => enlarge(image));
    image.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      enlarge(image);
    });
  }
  dialog.addEventListener("click", () => dialog.close());
}
