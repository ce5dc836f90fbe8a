// Filter and sort of the tables, in the page itself: no server, no library. Without it they are plain tables, so it brings the buttons and the filters.
(() => {
  const key = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
  const filterable = (controls, rows) => {
    const fields = [...controls.querySelectorAll("[data-filter]")], shown = controls.querySelector("[data-shown]");
    const kept = (row) => fields.every((field) => {
      const wanted = field.value.trim().toLowerCase(), name = field.dataset.filter;
      return !wanted || (name === "text" ? row.textContent.toLowerCase().includes(wanted) : (row.dataset[name] ?? "").toLowerCase() === wanted);
    });
    const filter = () => {
      for (const row of rows) row.hidden = !kept(row);
      shown.textContent = shown.dataset.shown.replace("{shown}", rows.filter((row) => !row.hidden).length).replace("{rows}", rows.length);
    };
    fields.forEach((field) => field.addEventListener("input", filter));
    controls.querySelector("[data-clear]")?.addEventListener("click", () => {
      fields.forEach((field) => { field.value = ""; });
      filter();
      fields[0].focus();
    });
    controls.hidden = false;
    filter();
  };
  const sort = (table, rows, header) => {
    const down = header.getAttribute("aria-sort") === "ascending", column = header.cellIndex, numeric = header.classList.contains("n");
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const order = (a, b) => (numeric ? Number(key(a, column)) - Number(key(b, column)) : key(a, column).localeCompare(key(b, column), document.documentElement.lang));
    table.tBodies[0].append(...rows.sort((a, b) => (down ? -order(a, b) : order(a, b))));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const rows = [...table.tBodies[0].rows];
    for (const header of table.tHead.rows[0].cells) {
      if ("fixed" in header.dataset) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(table, rows, header));
      header.append(button);
    }
    const controls = document.querySelector(`.controls[data-for="${table.id}"]`);
    if (controls) filterable(controls, rows);
  }
})();
